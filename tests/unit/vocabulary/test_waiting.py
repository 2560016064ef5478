"""Replies that come later."""

from __future__ import annotations

from twisted_kv.vocabulary.waiting import Promise


def test_a_reply_that_comes_later_is_taken_when_it_comes() -> None:
    reply = Promise()
    taken: list[object] = []
    reply.then(taken.append)
    assert reply.now() is reply
    assert taken == []
    reply.resolve(b"v")
    assert taken == [b"v"]


def test_a_reply_that_is_known_is_taken_at_once() -> None:
    reply = Promise()
    taken: list[object] = []
    reply.resolve(None)
    assert reply.is_resolved
    assert reply.now() is None
    reply.then(taken.append)
    assert taken == [None]
