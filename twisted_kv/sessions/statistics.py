"""The counters of a cache, for INFO."""

from __future__ import annotations

from collections import Counter


class Statistics:
    """Counters since the start, or since CONFIG RESETSTAT."""

    __slots__ = (
        "bytes_received",
        "bytes_sent",
        "connections_received",
        "connections_rejected",
        "datagram_sets_refused",
        "datagrams_received",
        "datagrams_refused",
        "dropped_late_datagrams",
        "dropped_paused_datagrams",
        "errors",
        "evicted_clients",
        "output_limit_disconnections",
        "query_limit_disconnections",
    )

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Set all counters to 0."""
        self.connections_received = 0
        self.connections_rejected = 0
        self.bytes_received = 0
        self.bytes_sent = 0
        self.datagrams_received = 0
        self.datagrams_refused = 0
        """Datagrams from peers that are not allowed, or without the password."""
        self.datagram_sets_refused = 0
        """Sets in the `equals` dialect that failed: that dialect has no error reply."""
        self.dropped_late_datagrams = 0
        """Datagrams whose reply was promised and took too long."""
        self.evicted_clients = 0
        """Connections that were closed for `maxmemory-clients`."""
        self.dropped_paused_datagrams = 0
        """Datagrams that came while clients were paused."""
        self.output_limit_disconnections = 0
        self.query_limit_disconnections = 0
        self.errors: Counter[str] = Counter()
        """Error replies by code."""
