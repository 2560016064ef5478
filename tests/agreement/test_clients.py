"""Passwords, settings and the ends of connections: what changes the server itself, and is put back."""

from __future__ import annotations

from typing import Iterator

import pytest

from .replies import Word, parse
from .servers import BothServers, RealConnection, encode

pytestmark = pytest.mark.peer

PASSWORD = "secret"

SETTINGS = {
    "timeout": "0",
    "tcp-keepalive": "300",
    "maxclients": "1000",
    "proto-max-bulk-len": "536870912",
    "client-query-buffer-limit": "1073741824",
    "protected-mode": "yes",
    "maxmemory-clients": "0",
    "notify-keyspace-events": "",
    "tracking-table-max-keys": "1000000",
    "client-output-buffer-limit": "normal 0 0 0",
    "requirepass": "",
}
GIVEN_ALIKE = sorted(set(SETTINGS) - {"client-output-buffer-limit"})
"""Redis gives the limits of its other classes of clients along with those of normal ones."""


@pytest.fixture
def changed(both: BothServers) -> Iterator[BothServers]:
    """Both servers with the same settings; they are put back."""
    words = [word for setting in SETTINGS.items() for word in setting]
    both.call("CONFIG", "SET", *words)
    yield both
    both.control.ask(encode(("CONFIG", "SET", *words)))
    both.cache.call("CONFIG", "SET", *words)


@pytest.fixture
def guarded(changed: BothServers) -> BothServers:
    """Both servers with a password, and new connections that have not given it."""
    changed.call("CONFIG", "SET", "requirepass", PASSWORD)
    changed.real.close()
    changed.real = RealConnection(changed.real_port)
    changed.ours.close()
    changed.ours = changed.cache.connect()
    return changed


VALUES = {
    "timeout": [
        "0", "60", "-1", "abc", "", "1.5", "2147483647", "2147483648", "9223372036854775808", " 5", "05", "+5", "1kb",
    ],
    "tcp-keepalive": ["0", "60", "-1", "abc", "", "2147483647", "2147483648"],
    "maxclients": ["1000", "500", "0", "-1", "abc", "", "4294967296", "9223372036854775807"],
    "proto-max-bulk-len": [
        "1048576", "1mb", "1MB", "1m", "2Mb", "512mb", "1gb", "1g", "1048575", "0", "-1", "abc", "", "1tb", "1 mb",
        "1.5mb",
        "mb", "9223372036854775807", "9223372036854775808", "1048576b", "2000k", "2000kb", "-1mb", "1mbb", "+2mb",
        "99999999999gb",
    ],
    "client-query-buffer-limit": ["1048576", "1mb", "1048575", "abc", "", "-1", "1gb"],
    "protected-mode": ["yes", "no", "YES", "No", "true", "1", ""],
    "requirepass": ["", "x", "two words"],
    "databases": ["16", "5", "abc"],
    "tcp-backlog": ["511"],  # as databases: not while the server runs
    "maxmemory-clients": ["0", "5%", "101%", "-1%", "100%", "0%", "x%", "1mb", "-5", "1.5%", "%", "", "5%x", "5 %"],
    "notify-keyspace-events": ["", "KEA", "AKEmn", "mnKEg$lshzxet", "nmg", "q", "KE A", "g$lshzxetd", "AK"],
    "tracking-table-max-keys": ["0", "5", "-1", "x", "1000000"],
    "client-output-buffer-limit": [
        "normal 0 0 0", "normal 1mb 1mb 10", "normal", "nope 0 0 0", "normal x 0 0", "normal 0 x 0",
        "normal 0 0 x",
        *["normal 0 0 -1", "normal -1 0 0", "normal 0 0", "normal 0 0 0 0", "NORMAL 5 6 7", "normal  1 2 3"],
    ],
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in VALUES.items() for value in values])
def test_settings_are_read_and_refused_alike(changed: BothServers, name: str, value: str) -> None:
    changed.call("CONFIG", "SET", name, value)
    if name in GIVEN_ALIKE:
        changed.call("CONFIG", "GET", name)
    changed.call("CONFIG", "SET", name.upper(), value)
    changed.call("CONFIG", "SET", "timeout", "77", name, value)
    changed.call("CONFIG", "GET", "timeout")
    changed.call("CONFIG", "SET", name, value, "tcp-keepalive", "abc")
    changed.call("CONFIG", "SET", name, value, "nope", "1")
    if name in GIVEN_ALIKE:
        changed.call("CONFIG", "GET", name, "tcp-keepalive")


@pytest.mark.parametrize("name", GIVEN_ALIKE)
@pytest.mark.parametrize("resp", [2, 3])
def test_settings_are_given_alike(changed: BothServers, name: str, resp: int) -> None:
    changed.call("HELLO", resp)
    for each in (name, name.upper(), name[:-1] + "?", name.title()):
        changed.call("CONFIG", "GET", each)
    changed.call("CONFIG", "GET", name, name, "nope")


BEFORE_THE_PASSWORD: list[tuple[Word, ...]] = [
    ("PING",), ("PING", "a", "b"), ("GET", "k"), ("GET",), ("SET", "k", "v"), ("FLY",), ("FLY", "a"),
    ("CLIENT", "ID"), ("CLIENT", "NOPE"), ("CLIENT",),
    ("COMMAND", "INFO", "get"), ("COMMAND", "COUNT"), ("CONFIG", "GET", "x"), ("ECHO", "x"), ("SELECT", 1),
    ("RESET",), ("HELLO",), ("HELLO", 2), ("HELLO", 3), ("HELLO", 4),
    ("HELLO", "x"), ("HELLO", 3, "NOPE"), ("HELLO", 3, "SETNAME", "me"), ("HELLO", 3, "SETNAME", "a b"),
    ("HELLO", 3, "AUTH", "default", "wrong"),
    ("HELLO", 3, "AUTH", "default", PASSWORD), ("HELLO", 3, "AUTH", "eve", PASSWORD),
    ("HELLO", 3, "AUTH", "default", PASSWORD, "SETNAME", "me"),
    ("HELLO", 3, "SETNAME", "me", "AUTH", "default", PASSWORD), ("HELLO", 3, "AUTH", "default", PASSWORD, "NOPE"),
    ("HELLO", 3, "AUTH", "default", PASSWORD, "SETNAME", "a b"),
    ("HELLO", 3, "SETNAME", "me", "AUTH", "default", "wrong"), ("HELLO", 3, "AUTH", "default"), ("AUTH",),
    ("AUTH", "wrong"), ("AUTH", PASSWORD), ("AUTH", "default", PASSWORD),
    ("AUTH", "Default", PASSWORD), ("AUTH", "eve", PASSWORD), ("AUTH", "default", "wrong"), ("AUTH", "a", "b", "c"),
    ("AUTH", ""), ("AUTH", "default", ""), ("AUTH", PASSWORD + "x"),
    ("AUTH", PASSWORD[:-1]), ("INFO",), ("SHUTDOWN", "NOPE"), ("",), ("MGET", "a", "b"), ("TIME",), ("DBSIZE",),
    ("FLUSHALL",),
]  # fmt: skip


@pytest.mark.parametrize("words", BEFORE_THE_PASSWORD, ids=repr)
def test_who_has_not_given_the_password_is_answered_alike(guarded: BothServers, words: tuple[Word, ...]) -> None:
    guarded.call(*words)
    for after in (("GET", "k"), ("CLIENT", "GETNAME"), ("PING",), ("AUTH", PASSWORD), ("CLIENT", "GETNAME"), ("PING",)):
        guarded.call(*after)


@pytest.mark.parametrize("words", BEFORE_THE_PASSWORD, ids=repr)
def test_who_has_given_the_password_is_answered_alike(guarded: BothServers, words: tuple[Word, ...]) -> None:
    guarded.call("AUTH", PASSWORD)
    guarded.call(*words)
    guarded.call("GET", "k")
    guarded.call("CLIENT", "GETNAME")


LITTLE = [
    b"*10\r\n",
    b"*11\r\n",
    b"*11\r\n$4\r\nPING\r\n",
    b"*1\r\n$16384\r\n",
    b"*1\r\n$16385\r\n",
    b"*2\r\n$4\r\nAUTH\r\n$16385\r\n",
    b"*1\r\n$4\r\nPING\r\n*11\r\n",
    b"PING\r\n",
    b"MGET " + b"a " * 20 + b"\r\n",
    b"QUIT\r\n",
    b"POST\r\n",
    b"Host: x\r\n",
    b"*0\r\nPING\r\n",
    encode(("AUTH", PASSWORD)) + encode(("MGET", *range(20))),
    encode(("AUTH", "wrong")) + encode(("MGET", *range(20))),
    encode(("AUTH", PASSWORD)) + encode(("ECHO", "x" * 20_000)),
    b"*x\r\n",
    b"x" * 70_000,
]


@pytest.mark.parametrize("data", LITTLE)
def test_who_has_not_given_the_password_may_announce_as_little(guarded: BothServers, data: bytes) -> None:
    guarded.stream(data)


def test_a_connection_keeps_its_rights_when_a_password_comes(changed: BothServers) -> None:
    changed.call("CONFIG", "SET", "requirepass", PASSWORD)
    changed.call("GET", "k")
    changed.call("AUTH", "wrong")
    changed.call("GET", "k")
    changed.call("RESET")
    changed.call("GET", "k")
    changed.call("AUTH", PASSWORD)
    changed.call("CONFIG", "SET", "requirepass", "other")
    changed.call("GET", "k")
    changed.call("CONFIG", "SET", "requirepass", "")
    changed.call("AUTH", "x")
    changed.call("AUTH", "default", "x")
    changed.call("RESET")
    changed.call("GET", "k")


def test_a_connection_that_never_had_the_right_gets_it_when_the_password_goes(guarded: BothServers) -> None:
    guarded.call("GET", "k")
    guarded.control.ask(encode(("CONFIG", "SET", "requirepass", "")))
    guarded.cache.call("CONFIG", "SET", "requirepass", "")
    guarded.call("GET", "k")
    guarded.call("PING")


class Victim:
    """One more connection to each server."""

    def __init__(self, both: BothServers) -> None:
        self.real = RealConnection(both.real_port)
        self.ours = both.cache.connect()
        self.numbers = (
            int(self.real.ask(encode(("CLIENT", "ID")))[1:]),
            int(self.ours.send(encode(("CLIENT", "ID")))[1:]),
        )
        self.addresses = self.real.name, self.ours.protocol.connection.peer

    def state(self, both: BothServers) -> tuple[bool, bool]:
        """Tell which of the two were ended."""
        for _ in range(5):
            both.control.ask(encode(("PING",)))
        return self.real.drain()[1], self.ours.closed

    def close(self) -> None:
        self.real.close()
        self.ours.close()


@pytest.fixture
def victim(both: BothServers) -> Iterator[Victim]:
    """A connection that somebody else ends."""
    victim = Victim(both)
    yield victim
    victim.close()


KILLS = {
    "{address}": True,
    "ID {number}": True,
    "id {number}": True,
    "ADDR {address}": True,
    "ADDR {address} ID {number}": True,
    "ID {number} TYPE normal": True,
    "ID {number} TYPE pubsub": False,
    "ID {number} TYPE replica": False,
    "ID {number} USER default": True,
    "ID {number} SKIPME no": True,
    "ID {number} SKIPME yes": True,
    "ID {number} ADDR 1.2.3.4:5": False,
    "ADDR 1.2.3.4:5 ADDR {address}": True,
    "ADDR {address} ADDR 1.2.3.4:5": False,
    "ID 99999999 ID {number}": True,
    "ID {number} NOPE x": False,
    "ID {number} SKIPME": False,
    "ID {number} SKIPME maybe": False,
    "ID {number} USER eve": False,
    "ID {number} TYPE nope": False,
    "ID {number} LADDR 1.2.3.4:5": False,
}


@pytest.mark.parametrize("words", KILLS)
def test_connections_are_ended_alike(both: BothServers, victim: Victim, words: str) -> None:
    theirs, ours = (
        [word.format(number=victim.numbers[side], address=victim.addresses[side]) for word in words.split()]
        for side in (0, 1)
    )
    replies = both.ask_real("CLIENT", "KILL", *theirs), both.ask_ours("CLIENT", "KILL", *ours)
    assert replies[1] == replies[0]
    assert victim.state(both) == (KILLS[words], KILLS[words])


@pytest.mark.parametrize(("skip", "ends"), [("no", True), ("NO", True), ("yes", False), ("", False)])
def test_a_connection_ends_itself_after_its_reply(both: BothServers, skip: str, ends: bool) -> None:
    victim = Victim(both)
    more = ("SKIPME", skip) if skip else ()
    theirs = victim.real.ask(encode(("CLIENT", "KILL", "ID", victim.numbers[0], *more)))
    ours = victim.ours.send(encode(("CLIENT", "KILL", "ID", victim.numbers[1], *more)))
    assert ours == theirs
    assert victim.state(both) == (ends, ends)
    victim.close()


def test_a_connection_ends_itself_by_its_address(both: BothServers) -> None:
    victim = Victim(both)
    theirs = victim.real.ask(encode(("CLIENT", "KILL", victim.addresses[0])))
    ours = victim.ours.send(encode(("CLIENT", "KILL", victim.addresses[1])))
    assert ours == theirs
    assert victim.state(both) == (True, True)
    victim.close()


OURS_ALONE = {"lib-name", "lib-ver"}


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("what", ["INFO", "LIST"])
def test_connections_are_described_in_the_same_fields(servers: BothServers, what: str, resp: int) -> None:
    servers.begin(resp)
    servers.call("CLIENT", "SETNAME", "me")
    servers.call("SELECT", "3")
    theirs, ours = (parse(reply)[0] for reply in servers.both("CLIENT", what))
    assert theirs[0] == ours[0]
    described = []
    for text in (theirs[1], ours[1]):
        assert text.endswith(b"\n")
        line = next(line for line in text.decode().splitlines() if " name=me " in line)
        described.append(
            dict(field.split("=", 1) for field in (line[4:] if line.startswith("txt:") else line).split(" "))
        )
    assert [name for name in described[1] if name not in OURS_ALONE] == list(described[0])
    for field in "name flags db sub psub ssub multi cmd user redir resp events".split():
        assert described[1][field] == described[0][field], field
    for field in ("age", "idle"):  # a second may begin between the two questions
        assert abs(int(described[1][field]) - int(described[0][field])) <= 1, field


def test_a_connection_is_found_by_its_number(both: BothServers, victim: Victim) -> None:
    for words in (["ID", "{}"], ["ID", "{}", "99999999"], ["ID", "99999999", "{}"], ["ID", "{}", "{}"]):
        theirs = both.ask_real("CLIENT", "LIST", *(word.format(victim.numbers[0]) for word in words))
        ours = both.ask_ours("CLIENT", "LIST", *(word.format(victim.numbers[1]) for word in words))
        assert ours.count(b"\n") == theirs.count(b"\n")
        assert ours.count(b" cmd=client|id ") == theirs.count(b" cmd=client|id ")


@pytest.mark.parametrize(
    "section", ["server", "clients", "memory", "stats", "replication", "cpu", "keyspace", "commandstats", "errorstats"]
)
def test_sections_of_info_are_headed_alike(both: BothServers, section: str) -> None:
    both.call("SET", "k", "v", "EX", 500_000)
    both.call("GET")
    theirs, ours = (parse(reply)[0][1] for reply in both.both("INFO", section))
    assert ours.splitlines()[0] == theirs.splitlines()[0]
    assert ours.endswith(b"\r\n")
    names = [{line.split(b":")[0] for line in text.splitlines()[1:]} for text in (theirs, ours)]
    if section in ("replication", "keyspace", "cpu"):
        assert names[1] <= names[0]


def test_info_counts_keys_alike(both: BothServers) -> None:
    both.call("MSET", "a", 1, "b", 2)
    both.call("EXPIRE", "a", 500_000)
    both.call("SELECT", 3)
    both.call("SET", "c", 3)
    theirs, ours = (parse(reply)[0][1].splitlines() for reply in both.both("INFO", "keyspace"))
    assert [line.rpartition(b"=")[0] for line in ours] == [line.rpartition(b"=")[0] for line in theirs]
