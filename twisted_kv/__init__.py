"""owncache: a key-value cache that lives on the Twisted reactor.

What is exported here is the promise; everything else may change.  `twisted_kv.testing` is public too.
"""

from twisted_kv.client import DatagramClient, StreamClient
from twisted_kv.engine.dispatcher import Dispatcher
from twisted_kv.errors import CommandError, SessionEnded, WouldWait
from twisted_kv.net.datagram import CacheDatagramProtocol
from twisted_kv.net.stream import RespFactory
from twisted_kv.service import CacheService
from twisted_kv.version import VERSION as __version__

__all__ = [
    "CacheDatagramProtocol",
    "CacheService",
    "CommandError",
    "DatagramClient",
    "Dispatcher",
    "RespFactory",
    "SessionEnded",
    "StreamClient",
    "WouldWait",
    "__version__",
]
