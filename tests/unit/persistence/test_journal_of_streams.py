"""What is noted of streams, and that it gives the same streams again."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from tests.storage.journal_cases.streams import CASES
from tests.storage.starts import words
from twisted_kv.declaring.commands import Lasting
from twisted_kv.persistence.journal import Journal
from twisted_kv.sessions.services import Effect
from twisted_kv.sessions.session import Session
from twisted_kv.testing import MemoryCache
from twisted_kv.values.streams import Stream
from twisted_kv.vocabulary.errors import CommandError


def everything(cache: MemoryCache) -> Any:
    """Tell all that a cache holds at the key of the cases; not when consumers were seen, which is not logged."""
    stream = cache.service.dispatcher.server.databases[0].peek(b"s")
    if stream is None:
        return None
    assert isinstance(stream, Stream)
    state = stream.state()
    groups = [
        (name, last_id, read, pending, [(consumer, ids) for consumer, _, ids in consumers])
        for name, last_id, read, pending, consumers in state.groups
    ]
    facts = state.length, state.last_id, state.first_id, state.deleted_id, state.entries_added
    return facts, groups, list(stream.range(0, state.last_id))


def do_again(cache: MemoryCache, noted: list[Effect]) -> None:
    """Do what was noted, as it is done when a log is loaded."""
    dispatcher = cache.service.dispatcher
    session = Session(dispatcher.server, Lasting.SESSION, trusted=True, is_replay=True)
    for _, request in noted:
        reply = dispatcher.run(session, request, dispatcher.server.commands.entry_of(request))
        assert not isinstance(reply, CommandError)


@pytest.mark.parametrize(("before", "request_", "noted"), CASES, ids=[f"{each[1]}"[:60] for each in CASES])
def test_a_stream_is_the_same_when_what_was_noted_is_done_again(before: Any, request_: Any, noted: Any) -> None:
    cache, other = MemoryCache(), MemoryCache()
    all_noted: list[Effect] = []
    Journal(cache.service.dispatcher, all_noted.extend).open()
    for each in before:
        cache.call(*each)
    count = len(all_noted)
    with suppress(CommandError):
        cache.call(*request_)
    assert all_noted[count:] == [(0, words(*each)) for each in noted]
    do_again(other, all_noted)
    assert everything(other) == everything(cache)
    cache.stop()
    other.stop()
