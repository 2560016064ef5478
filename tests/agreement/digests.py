"""Sequences of requests to both servers whose data are compared by digest, so that any type will do."""

from __future__ import annotations

import re
from typing import Sequence

from .generated import FAR, Words
from .replies import parse
from .servers import BothServers

_CHANGES = re.compile(rb"rdb_changes_since_last_save:(\d+)")


def says_the_time(servers: BothServers, request: Words) -> bool:
    """Tell whether the two servers would make IDs of their own time for a request."""
    if not {b"*", b"*\0"} & {*request[2:]} or request[0].upper() != b"XADD":
        return False
    known = servers.ask_real("XINFO", "STREAM", request[1])
    if known.startswith(b"-"):
        return True
    facts = parse(known)[0][1]
    last = next(value[1] for name, value in zip(facts[::2], facts[1::2]) if name[1] == b"last-generated-id")
    return int(last.partition(b"-")[0]) < FAR * 1000


def play(servers: BothServers, requests: Sequence[Words], resp: int) -> None:
    """Send requests to both servers; then compare what they hold."""
    servers.begin(resp)
    for request in requests:
        if not says_the_time(servers, request):
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
