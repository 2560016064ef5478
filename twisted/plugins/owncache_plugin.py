"""Tells twistd about owncache.  There must never be an `__init__.py` in this folder or the one above it."""

from twisted.application.service import ServiceMaker

owncache = ServiceMaker(
    "owncache",
    "twisted_kv.tap",
    "A key-value cache for Redis clients, datagrams and Twisted programs.",
    "owncache",
)
