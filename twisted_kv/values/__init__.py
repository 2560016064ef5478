"""The data structures that keys hold.  Nothing here knows a key, a client or a command."""
