"""Clients that wait for keys: the same interleaving on both servers, and what each client gets compared."""

from __future__ import annotations

from typing import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .conversations import Conversation
from .generated import thorough
from .servers import BothServers
from .waiting import SCRIPTS

pytestmark = [pytest.mark.peer, pytest.mark.timeout(900)]


NAMES = "abcdef"
keys = st.sampled_from("jkl")
elements = st.sampled_from(["1", "2", "3", "1 2", "1 2 3"])
counts = st.sampled_from(["", " COUNT 1", " COUNT 2", " COUNT 9"])
sides = st.sampled_from(["LEFT", "RIGHT"])
waiting = st.one_of(
    st.builds("{} {} 0".format, st.sampled_from(["BLPOP", "BRPOP", "BZPOPMIN", "BZPOPMAX"]), keys),
    st.builds("{} {} {} 0".format, st.sampled_from(["BLPOP", "BRPOP", "BRPOPLPUSH", "BZPOPMIN"]), keys, keys),
    st.builds("BLPOP {} {} {} 0".format, keys, keys, keys),
    st.builds("BLMOVE {} {} {} {} 0".format, keys, keys, sides, sides),
    st.builds("BLMPOP 0 2 {} {} {}{}".format, keys, keys, sides, counts),
    st.builds("BZMPOP 0 1 {} MIN{}".format, keys, counts),
    st.builds("XREAD BLOCK 0 STREAMS {} {} $ 0".format, keys, keys),
    st.builds("XREADGROUP GROUP g me BLOCK 0 STREAMS {} >".format, keys),
)
waking = st.one_of(
    st.builds("{} {} {}".format, st.sampled_from(["LPUSH", "RPUSH"]), keys, elements),
    st.builds("{} {} {}".format, st.sampled_from(["LPUSH", "RPUSH"]), keys, elements),
    st.builds("ZADD {} 1 a 2 b".format, keys),
    st.builds("XADD {} 1-* f v".format, keys),
    st.builds("XGROUP CREATE {} g $ MKSTREAM".format, keys),
    st.builds("XGROUP DESTROY {} g".format, keys),
    st.builds("{} {} {}".format, st.sampled_from(["RENAME", "COPY", "RENAMENX", "RPOPLPUSH"]), keys, keys),
    st.builds("LMOVE {} {} {} {}".format, keys, keys, sides, sides),
    st.builds("{} {}".format, st.sampled_from(["DEL", "LPOP", "LLEN", "TYPE", "ZCARD", "XLEN"]), keys),
    st.builds("MOVE {} 1".format, keys),
    st.builds("RESTORE {} 0 {{payload}} REPLACE".format, keys),
    st.sampled_from(["SWAPDB 0 1", "SELECT 1", "SELECT 0", "FLUSHALL", "PING", "RESET"]),
)
transactions = st.lists(st.one_of(waking, waking, waiting), min_size=1, max_size=5).map(
    lambda requests: "; ".join(["MULTI", *requests, "EXEC"])
)
pipelines = st.lists(st.one_of(waiting, waking, waking, transactions), min_size=1, max_size=3).map("; ".join)
says = st.builds("{}: {}".format, st.sampled_from(NAMES), st.one_of(waiting, waking, waking, transactions, pipelines))
unblocks = st.builds("a: CLIENT UNBLOCK {{{}}}{}".format, st.sampled_from(NAMES), st.sampled_from(["", " ERROR"]))
leaves = st.builds("{} {}".format, st.sampled_from(NAMES), st.sampled_from(["half", "gone"]))
kills = st.builds("a: CLIENT KILL ID {{{}}}; {}".format, st.sampled_from(NAMES[1:]), waking)
steps = st.lists(st.one_of(*[says] * 12, unblocks, leaves, kills), min_size=3, max_size=25)

LEFT = [f"z: SELECT {index}; LRANGE {key} 0 -1; ZRANGE {key} 0 -1; XLEN {key}" for index in (0, 1) for key in "jkl"]


@thorough
@given(steps=steps)
def test_whatever_clients_say_they_are_served_alike(servers: BothServers, steps: Sequence[str]) -> None:
    servers.begin()
    conversation = Conversation(servers)
    try:
        conversation.play(*(f"{name}: ECHO {name}" for name in NAMES), *steps, *LEFT)
    finally:
        conversation.end()
    assert len(servers.cache.service.dispatcher.blocking) == 0


@pytest.fixture
def conversation(both: BothServers) -> Iterator[Conversation]:
    """A conversation on empty databases."""
    conversation = Conversation(both)
    yield conversation
    conversation.end()


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("resp", [2, 3])
def test_clients_wait_and_are_served_alike(conversation: Conversation, name: str, resp: int) -> None:
    if resp == 3:
        for client in "abcdefghx":
            conversation.play(f"{client}: CLIENT SETNAME {client}")
            conversation.clients[client].send([b"HELLO 3\r\n"] * 2)
            conversation.settle()
    conversation.play(*SCRIPTS[name])
