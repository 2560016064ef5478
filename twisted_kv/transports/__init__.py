"""Twisted's ports, made faster; addresses, and what is asked of sockets."""
