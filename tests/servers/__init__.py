"""Servers that are started, killed, and looked at from outside."""
