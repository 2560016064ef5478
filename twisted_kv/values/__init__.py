"""The data structures that keys hold.  Nothing here depends on keys, clients or commands."""
