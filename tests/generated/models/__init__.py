"""What keys hold and what requests do to them, told apart from the cache."""
