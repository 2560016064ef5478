"""owncache: a key-value cache that lives on the Twisted reactor.

The public API is what this module exports, `twisted_kv.testing`, `twisted_kv.declaring`, and the tuple of all groups of
commands, `twisted_kv.commands.GROUPS`; everything else may change.  A name is imported when it is first used: a client
needs no cache, and a cache needs no client.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from twisted_kv.version import VERSION as __version__

if TYPE_CHECKING:
    from twisted_kv.client import DatagramClient, StreamClient
    from twisted_kv.engine.dispatcher import Dispatcher
    from twisted_kv.faces.connections import RespFactory
    from twisted_kv.faces.datagram import CacheDatagramProtocol
    from twisted_kv.service import CacheService
    from twisted_kv.sessions.session import Session
    from twisted_kv.vocabulary.errors import CommandError, SessionEnded, WouldWait
    from twisted_kv.vocabulary.subscriptions import KeyEvent, Message, MessagesLost, Subscription

__all__ = [
    "CacheDatagramProtocol",
    "CacheService",
    "CommandError",
    "DatagramClient",
    "Dispatcher",
    "KeyEvent",
    "Message",
    "MessagesLost",
    "RespFactory",
    "Session",
    "SessionEnded",
    "StreamClient",
    "Subscription",
    "WouldWait",
    "__version__",
]

_MODULES = {
    "CacheDatagramProtocol": "faces.datagram",
    "CacheService": "service",
    "CommandError": "vocabulary.errors",
    "DatagramClient": "client",
    "Dispatcher": "engine.dispatcher",
    "KeyEvent": "vocabulary.subscriptions",
    "Message": "vocabulary.subscriptions",
    "MessagesLost": "vocabulary.subscriptions",
    "RespFactory": "faces.connections",
    "Session": "sessions.session",
    "SessionEnded": "vocabulary.errors",
    "StreamClient": "client",
    "Subscription": "vocabulary.subscriptions",
    "WouldWait": "vocabulary.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
