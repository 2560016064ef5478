"""Bytes to requests and replies, and back.  Nothing here knows a socket or a key: bytes in, values out."""
