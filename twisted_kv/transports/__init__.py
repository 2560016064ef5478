"""Faster versions of Twisted's ports; addresses and socket options."""
