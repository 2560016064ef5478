"""Reply values that are more than Python's own."""

from __future__ import annotations

from twisted_kv.replies import Later


def test_a_reply_that_comes_later_is_taken_when_it_comes() -> None:
    reply = Later()
    taken: list[object] = []
    reply.then(taken.append)
    assert reply.now() is reply
    assert taken == []
    reply.give(b"v")
    assert taken == [b"v"]


def test_a_reply_that_has_come_is_taken_at_once() -> None:
    reply = Later()
    taken: list[object] = []
    reply.give(None)
    assert reply.is_given
    assert reply.now() is None
    reply.then(taken.append)
    assert taken == [None]
