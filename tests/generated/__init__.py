"""Generated values, writes and histories, and models of what should come of them."""
