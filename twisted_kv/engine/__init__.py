"""Runs requests on the state of a cache.  Network faces and in-process callers use only the dispatcher."""
