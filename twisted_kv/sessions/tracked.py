"""What a client has asked for with CLIENT TRACKING."""

from __future__ import annotations

from sortedcontainers import SortedDict


class Tracked:
    """How the keys of one client are tracked, so that it can keep their values.

    By default, the server remembers which keys the client has read.  With `is_broadcast` it tells the client of all
    changes of keys that begin with one of `prefixes` (an empty one stands for all keys).
    """

    __slots__ = (
        "caching",
        "caching_is_used",
        "is_broadcast",
        "is_broken",
        "is_noloop",
        "is_optin",
        "is_optout",
        "prefixes",
        "redirect",
    )

    def __init__(self) -> None:
        self.is_broadcast = False
        self.prefixes: SortedDict[bytes, None] = SortedDict()
        self.is_optin = False
        """Only what is read right after CLIENT CACHING YES is remembered."""
        self.is_optout = False
        """What is read right after CLIENT CACHING NO is not remembered."""
        self.is_noloop = False
        """The client is not told of its own changes."""
        self.redirect = 0
        """The ID of the client that is told instead; 0 for none."""
        self.is_broken = False
        """That client has gone."""
        self.caching = False
        """Whether CLIENT CACHING was called for the next request, or for the transaction that begins with it."""
        self.caching_is_used = False
        """Whether that request has come."""

    @property
    def remembers(self) -> bool:
        """Whether a key that is read now is remembered."""
        if self.is_broadcast:
            return False
        return self.caching if self.is_optin else not (self.is_optout and self.caching)
