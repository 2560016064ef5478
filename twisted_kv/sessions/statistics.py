"""What a cache counts about itself, for INFO."""

from __future__ import annotations

from collections import Counter

import attrs


@attrs.define
class Statistics:
    """Counts since the start, or since CONFIG RESETSTAT."""

    connections_received: int = 0
    connections_rejected: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0
    datagrams_received: int = 0
    datagrams_refused: int = 0
    """Datagrams of peers that are not allowed, or without the password."""
    datagram_sets_refused: int = 0
    """Sets in the `equals` dialect that failed: that dialect has no reply to say so."""
    output_limit_disconnections: int = 0
    query_limit_disconnections: int = 0
    errors: Counter[str] = attrs.field(factory=Counter)
    """Error replies by their code."""

    def reset(self) -> None:
        """Begin to count anew."""
        for field in attrs.fields(Statistics):
            setattr(self, field.name, Counter() if field.name == "errors" else 0)
