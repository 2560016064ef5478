"""Runs requests on the state of a cache.  The dispatcher is all that a network face or a caller in process talks to."""
