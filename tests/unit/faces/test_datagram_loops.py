"""Servers wired to one another: a datagram whose sender was forged dies out, whatever they make of it."""

from __future__ import annotations

from collections import deque
from typing import Dict, List, Sequence, Tuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from twisted_kv.testing import DatagramTransport, MemoryCache, MemoryDatagrams
from twisted_kv.wire.dialects import DIALECTS, is_miss

MOST = 40
"""Datagrams that a forged one may lead to: a loop goes on for ever."""

Address = Tuple[str, int]


class Ring:
    """Servers that get each other's datagrams, each at an address of its own."""

    def __init__(self, dialects: Sequence[str], ports: Sequence[int], values: Dict[bytes, List[bytes]]) -> None:
        self.faces: Dict[Address, MemoryDatagrams] = {}
        for number, (dialect, port) in enumerate(zip(dialects, ports)):
            cache = MemoryCache({"udp-dialect": dialect})
            for key, words in values.items():
                cache.call(words[0], key, *words[1:])
            face = MemoryDatagrams(cache.service, DIALECTS[dialect](), DatagramTransport(port=port))
            self.faces[f"10.0.0.{number}", port] = face
            cache.service.dispatcher.server.settings.udp_allow = ()
            face.protocol._is_served = lambda host: True

    def forge(self, datagram: bytes, victim: Address, sender: Address) -> int:
        """Send a datagram to one that seems to come from another; returns how many follow."""
        under_way = deque([(datagram, victim, sender)])
        count = 0
        while under_way and count <= MOST:
            datagram, receiver, sender = under_way.popleft()
            face = self.faces.get(receiver)
            if face is None:
                continue  # nobody is there
            answer = face.send(datagram, sender)
            count += 1
            if answer is not None:
                under_way.append((answer, sender, receiver))
        return count


names = list(DIALECTS)
pairs = [(one, other) for one in names for other in names]
texts = st.one_of(
    st.sampled_from(
        [
            b"nosuch", b"", b"k", b"list", b"PING", b"PING x", b"GET k", b"GET nosuch", b"GET list", b"SET", b"FLY a",
            b"keyDoesNotExists", b"(nil)", b"(nil)\n", b"(error) ERR no", b"(error) ERR no\n", b"-ERR no\r\n", b"-1",
            b"+OK\r\n", b"*1\r\n$4\r\nPING\r\n", b"*2\r\n$3\r\nGET\r\n$6\r\nnosuch\r\n", b"*1\r\n$3\r\nFLY\r\n",
            b"*2\r\n$3\r\nGET\r\n$4\r\nlist\r\n", b"a=b", b"=", b"LRANGE list 0 -1", b"'unbalanced", b"OK\n", b"PONG\n",
        ]
    ),
    st.binary(max_size=20),
)  # fmt: skip
VALUES = {b"k": [b"SET", b"v"], b"list": [b"RPUSH", b"a", b"b"], b"-1": [b"SET", b"minus one"]}


@pytest.mark.parametrize("dialects", pairs, ids="-".join)
@example(datagram=b"nosuch")
@given(datagram=texts)
def test_a_forged_datagram_dies_out_between_two(dialects: Tuple[str, str], datagram: bytes) -> None:
    ring = Ring(dialects, (6379, 6380), VALUES)
    first, second = ring.faces
    assert ring.forge(datagram, first, second) < MOST


@given(dialects=st.tuples(*[st.sampled_from(names)] * 3), datagram=texts)
def test_it_dies_out_between_three(dialects: Tuple[str, str, str], datagram: bytes) -> None:
    ring = Ring(dialects, (6379, 6380, 6381), VALUES)
    first, second, third = ring.faces
    for victim, sender in ((first, second), (second, third), (third, first)):
        assert ring.forge(datagram, victim, sender) < MOST


PLANTED = {
    b"k": [b"SET", b"GET k"],
    b"GET k": [b"SET", b"GET k"],
    b"PING": [b"SET", b"PING"],
    b"list": [b"RPUSH", b"LRANGE list 0 -1"],
    b"resp": [b"SET", b"*2\r\n$3\r\nGET\r\n$4\r\nresp\r\n"],
}


@pytest.mark.parametrize("dialects", pairs, ids="-".join)
@pytest.mark.parametrize(
    "datagram", [b"k", b"GET k", b"PING", b"LRANGE list 0 -1", b"*2\r\n$3\r\nGET\r\n$4\r\nresp\r\n"]
)
def test_on_one_port_nothing_loops_whatever_is_stored(dialects: Tuple[str, str], datagram: bytes) -> None:
    ring = Ring(dialects, (6379, 6379), PLANTED)
    first, second = ring.faces
    assert ring.forge(datagram, first, second) == 1


@pytest.mark.parametrize("dialect", names)
def test_a_server_does_not_answer_itself(dialect: str) -> None:
    ring = Ring([dialect], [6379], PLANTED)
    [own] = ring.faces
    assert ring.forge(b"GET k", own, own) == 1


def test_ports_that_are_named_get_no_answer() -> None:
    cache = MemoryCache({"udp-refuse-port": "7000 7001"})
    face = cache.datagrams()
    assert face.send(b"PING", ("127.0.0.1", 7000)) is None
    assert face.send(b"a=b", ("127.0.0.1", 7001)) is None
    assert face.send(b"a", ("127.0.0.1", 7002)) == b"a=b"
    assert cache.call("CONFIG", "GET", "udp-refuse-port") == {b"udp-refuse-port": b"7000 7001"}


@pytest.mark.parametrize("wrong", ["0", "65536", "x", "7000 -1"])
def test_a_port_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="port numbers from 1 to 65535"):
        MemoryCache({"udp-refuse-port": wrong})


def test_a_port_that_is_closed_may_be_anybodys() -> None:
    cache = MemoryCache()
    face = MemoryDatagrams(cache.service, None, DatagramTransport(port=7000))
    other = cache.datagrams()
    assert other.send(b"PING", ("127.0.0.1", 7000)) is None
    face.protocol.stopProtocol()
    assert other.send(b"PING", ("127.0.0.1", 7000)) == b"PONG\n"


@pytest.mark.parametrize(
    "datagram",
    [
        b"keyDoesNotExists",
        b"(nil)",
        b"(nil)\n",
        b"(error) ERR x",
        b"(error) WRONGTYPE x y\n",
        b"-ERR x\r\n",
        b"-NOAUTH\r\n",
    ],
)
def test_what_is_just_a_miss_or_an_error_of_ours_gets_silence_or_what_is_stored(datagram: bytes) -> None:
    assert is_miss(datagram)
    cache = MemoryCache({"udp-dialect": "equals", "udp-binary": True})
    face = cache.datagrams()
    assert face.send(datagram) is None
    cache.call("SET", datagram, "stored")
    assert face.send(datagram) == datagram + b"=stored"


@pytest.mark.parametrize(
    "datagram", [b"-1", b"-err x\r\n", b"-ERR x", b"keyDoesNotExists!", b"(error)", b"(error) err x", b"(nil) "]
)
def test_what_only_resembles_one_is_answered(datagram: bytes) -> None:
    assert not is_miss(datagram)
    cache = MemoryCache({"udp-dialect": "equals", "udp-binary": True})
    assert cache.datagrams().send(datagram) == b"keyDoesNotExists"
