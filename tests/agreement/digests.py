"""Sequences of requests to both servers whose data are compared by digest, so that any type will do."""

from __future__ import annotations

import re
from typing import Sequence

from .generated import Words
from .servers import BothServers

_CHANGES = re.compile(rb"rdb_changes_since_last_save:(\d+)")


def play(servers: BothServers, requests: Sequence[Words], resp: int) -> None:
    """Send requests to both servers; then compare what they hold."""
    servers.begin(resp)
    for request in requests:
        servers.call(*request)
    servers.compare_data()


def changes(servers: BothServers) -> tuple[int, int]:
    """Count the changes of each server since its start or its last snapshot."""
    found = _CHANGES.search(servers.ask_real("INFO", "persistence"))
    assert found is not None
    return int(found[1]), sum(each.changes for each in servers.cache.service.dispatcher.server.databases)


def play_and_count(servers: BothServers, requests: Sequence[Words], resp: int) -> None:
    """Send requests to both servers, and compare after each whether it counts as a change: to a log, and to WATCH."""
    servers.begin(resp)
    before = changes(servers)
    for request in requests:
        servers.call(*request)
        after = changes(servers)
        theirs, ours = (new != old for new, old in zip(after, before))
        if request[0].upper() == b"BITFIELD":  # Redis may let a string grow and yet not log it, if all overflow
            theirs = theirs or (ours and b"FAIL" in map(bytes.upper, request))
        assert theirs == ours, f"a change for {'Redis' if theirs else 'us'} alone: {servers.said!r}"
        before = after
    servers.compare_data()
