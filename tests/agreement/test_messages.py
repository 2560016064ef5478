"""Clients that listen, and those who tell them: the same interleaving on both servers, every byte of each compared."""

from __future__ import annotations

import re
from typing import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .caching import SCRIPTS as CACHING
from .conversations import Conversation
from .generated import thorough
from .listening import SCRIPTS
from .others import SCRIPTS as CLIENTS
from .servers import BothServers, encode

pytestmark = [pytest.mark.peer, pytest.mark.timeout(900)]

_ENDED = re.compile(rb"(?:[*>]3\r\n\$1[123]\r\n[ps]?unsubscribe\r\n\$\d+\r\n[^\r]*\r\n:\d+\r\n)+")
_NAME = re.compile(rb"(?<=\d\r\n)[^\r]*(?=\r\n:)")


_OWN_NUMBER = re.compile(rb"(?<=id\r\n:)\d+|(?<=tracking-redir-broken\r\n:)\d+|(?<=redirect\r\n:)[1-9]\d*")

_MONITORED = re.compile(rb"\+\d+\.\d{6} \[(\d+) [^]]*\]")


def normal(data: bytes) -> bytes:
    """Sort the names that one UNSUBSCRIBE has ended: Redis gives them in the order of a hash with a random seed.

    The number of a client, which HELLO gives, is left out.
    """

    def sort(run: re.Match[bytes]) -> bytes:
        names = iter(sorted(_NAME.findall(run[0])))
        return _NAME.sub(lambda _: next(names), run[0])

    return _ENDED.sub(sort, _OWN_NUMBER.sub(b"N", _MONITORED.sub(rb"+T [\1 A]", data)))


class Messages(Conversation):
    """A conversation of listeners."""

    def settle(self) -> dict[str, tuple[tuple[bytes, bool], tuple[bytes, bool]]]:
        return {
            name: tuple((normal(data), closed) for data, closed in pair)  # type: ignore[misc]  # two of them
            for name, pair in super().settle().items()
        }


@pytest.fixture
def conversation(both: BothServers) -> Iterator[Messages]:
    """A conversation on empty databases."""
    conversation = Messages(both)
    yield conversation
    conversation.end()


def speak_resp3(conversation: Conversation, names: str) -> None:
    """Let clients speak RESP3."""
    for name in names:
        conversation.play(f"{name}: CLIENT SETNAME {name}")
        conversation.clients[name].send([b"HELLO 3\r\n"] * 2)
        conversation.settle()


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("resp", [2, 3])
def test_clients_listen_alike(conversation: Messages, name: str, resp: int) -> None:
    if resp == 3:
        speak_resp3(conversation, "abcd")
    conversation.play(*SCRIPTS[name])


@pytest.mark.parametrize("name", CACHING)
def test_clients_are_told_alike_what_has_changed(conversation: Messages, name: str) -> None:
    conversation.play(*CACHING[name])


@pytest.mark.parametrize("name", CLIENTS)
def test_clients_are_kept_or_shown_alike(conversation: Messages, name: str) -> None:
    conversation.play(*CLIENTS[name])


names = st.sampled_from(["k1", "k2", "j1"])
patterns = st.sampled_from(["k*", "j?", "x*"])  # no two match one name: their order is random in Redis
tracking = st.one_of(
    st.sampled_from(["CLIENT TRACKING on", "CLIENT TRACKING off", "CLIENT TRACKING on NOLOOP", "CLIENT TRACKINGINFO"]),
    st.sampled_from(
        ["CLIENT TRACKING on BCAST", "CLIENT TRACKING on BCAST PREFIX k NOLOOP", "CLIENT TRACKING on OPTIN"]
    ),
    st.sampled_from(["CLIENT CACHING YES", "CLIENT CACHING NO", "CLIENT TRACKING on OPTOUT", "CLIENT GETREDIR"]),
    st.builds("GET {}".format, names),
    st.builds("MGET {} {}".format, names, names),
)
changing = st.one_of(
    st.builds("SET {} x".format, names),
    st.builds("DEL {} {}".format, names, names),
    st.builds("RENAME {} {}".format, names, names),
    st.builds("INCR {}".format, names),
    st.sampled_from(["FLUSHALL", "PING", "EXISTS k1", "MSET k1 1 k2 2 j1 3"]),
)
listening = st.one_of(
    st.builds("SUBSCRIBE {}".format, names),
    st.builds("SUBSCRIBE {} {}".format, names, names),
    st.builds("PSUBSCRIBE {}".format, patterns),
    st.builds("SSUBSCRIBE {}".format, names),
    st.builds("{} {}".format, st.sampled_from(["UNSUBSCRIBE", "SUNSUBSCRIBE"]), names),
    st.builds("PUNSUBSCRIBE {}".format, patterns),
    st.sampled_from(["UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE", "PING", "PING x"]),
)
telling = st.one_of(
    st.builds("PUBLISH {} x".format, names),
    st.builds("SPUBLISH {} y".format, names),
    st.builds("RPUSH l {}".format, names),
    st.builds("PUBSUB NUMSUB {} {}".format, names, names),
    st.sampled_from(["PUBSUB NUMPAT", "GET x", "SET x 1", "HELLO 2", "HELLO 3", "RESET", "BLPOP l 0"]),
)
either = st.one_of(listening, telling)
transactions = st.lists(either, min_size=1, max_size=5).map(lambda asked: "; ".join(["MULTI", *asked, "EXEC"]))
pipelines = st.lists(st.one_of(either, either, transactions), min_size=1, max_size=4).map("; ".join)
says = st.builds("{}: {}".format, st.sampled_from("abc"), st.one_of(either, either, transactions, pipelines))
leaves = st.builds("{} {}".format, st.sampled_from("abc"), st.sampled_from(["half", "gone"]))


tracked = st.one_of(tracking, changing)
tracked_transactions = st.lists(tracked, min_size=1, max_size=5).map(lambda asked: "; ".join(["MULTI", *asked, "EXEC"]))
tracked_pipelines = st.lists(st.one_of(tracked, tracked, tracked_transactions, listening), min_size=1, max_size=4)
tracked_says = st.builds("{}: {}".format, st.sampled_from("abc"), st.one_of(tracked, tracked_pipelines.map("; ".join)))


@thorough
@given(steps=st.lists(st.one_of(*[tracked_says] * 12, leaves), min_size=3, max_size=25))
def test_whatever_clients_track_they_are_told_alike(servers: BothServers, steps: Sequence[str]) -> None:
    servers.begin()
    conversation = Messages(servers)
    try:
        conversation.play(*(f"{name}: ECHO {name}" for name in "abc"))
        speak_resp3(conversation, "abc")
        conversation.play(*steps)
    finally:
        conversation.end()
    assert servers.cache.service.dispatcher.server.services.tracking.clients == 0


anything = st.one_of(
    either,
    tracked,
    st.sampled_from(["CLIENT REPLY OFF", "CLIENT REPLY SKIP", "CLIENT REPLY ON", "PSUBSCRIBE __keyevent*", "LPOP l"]),
)
all_transactions = st.lists(anything, min_size=1, max_size=5).map(lambda asked: "; ".join(["MULTI", *asked, "EXEC"]))
all_pipelines = st.lists(st.one_of(anything, anything, all_transactions), min_size=1, max_size=5).map("; ".join)
all_says = st.builds("{}: {}".format, st.sampled_from("abc"), st.one_of(anything, all_transactions, all_pipelines))


@thorough
@given(
    steps=st.lists(st.one_of(*[all_says] * 12, leaves), min_size=3, max_size=30), resp3=st.sets(st.sampled_from("abc"))
)
def test_whatever_clients_say_all_of_it_together_is_answered_alike(
    servers: BothServers, steps: Sequence[str], resp3: set[str]
) -> None:
    servers.begin()
    conversation = Messages(servers)
    try:
        conversation.play(*(f"{name}: ECHO {name}" for name in "abc"), "z: CONFIG SET notify-keyspace-events KEA")
        speak_resp3(conversation, "".join(sorted(resp3)))
        conversation.play(*steps, "z: CONFIG SET notify-keyspace-events ''")
    finally:
        conversation.end()
        servers.control.ask(encode(("CONFIG", "SET", "notify-keyspace-events", "")))
    assert servers.cache.service.dispatcher.server.services.tracking.clients == 0


@thorough
@given(steps=st.lists(st.one_of(*[says] * 12, leaves), min_size=3, max_size=25), resp3=st.sets(st.sampled_from("abc")))
def test_whatever_clients_say_they_are_told_alike(servers: BothServers, steps: Sequence[str], resp3: set[str]) -> None:
    servers.begin()
    conversation = Messages(servers)
    try:
        conversation.play(*(f"{name}: ECHO {name}" for name in "abc"))
        speak_resp3(conversation, "".join(sorted(resp3)))
        conversation.play(*steps)
    finally:
        conversation.end()
    channels = servers.cache.service.dispatcher.server.channels
    assert [list(channels.names(kind)) for kind in (0, 1, 2)] == [[], [], []]
