"""Settings of the memory limit, what is refused over it, and what is removed, as far as no figure of memory matters.

A limit of one byte is over-full with any key at all, on both servers.  How much a server takes while it is empty is its
own affair: nothing here depends on a write to a cache without keys.
"""

from __future__ import annotations

import re
from typing import Iterator

import pytest

from twisted_kv.commands import GROUPS
from twisted_kv.declaring.table import CommandTable

from .replies import Word, parse
from .servers import BothServers, RealConnection, encode

pytestmark = pytest.mark.peer

SETTINGS = {
    "maxmemory": "0",
    "maxmemory-policy": "noeviction",
    "maxmemory-samples": "5",
    "lfu-log-factor": "10",
    "lfu-decay-time": "1",
}
DEFAULTS = [word for setting in SETTINGS.items() for word in setting]

LRU = ["allkeys-lru", "volatile-lru"]
LFU = ["allkeys-lfu", "volatile-lfu"]
ALLKEYS = ["allkeys-lru", "allkeys-lfu", "allkeys-random"]
VOLATILE = ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"]
POLICIES = ["noeviction", *ALLKEYS, *VOLATILE]

KEPT = ["noeviction", *VOLATILE]
"""The policies under which keys without a time to live stay, whatever the limit."""

PASSWORD = "secret"


@pytest.fixture
def limited(both: BothServers) -> Iterator[BothServers]:
    """Both servers, with settings that are put back on the real one; ours is new each time."""
    yield both
    both.control.ask(encode(("CONFIG", "SET", *DEFAULTS, "requirepass", "")))


def play(both: BothServers, *requests: str) -> None:
    """Send requests to both, and compare all replies; a word of two quotes is the empty string."""
    for request in requests:
        both.call(*("" if word == "''" else word for word in request.split(" ")))


def fields(reply: bytes) -> dict[str, str]:
    """Take a reply to INFO apart."""
    lines = parse(reply)[0][1].decode().splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def compare_counts(both: BothServers, section: str, *names: str) -> dict[str, str]:
    """Compare fields of INFO, and give those of the real server."""
    theirs, ours = (fields(reply) for reply in both.both("INFO", section))
    assert {name: ours.get(name) for name in names} == {name: theirs.get(name) for name in names}
    return theirs


# Settings

VALUES: dict[str, list[Word]] = {
    "maxmemory": [
        "0", "00", "0mb", "1", "100", "100b", "100B", "1k", "1K", "1kb", "1KB", "1m", "1mb", "100mb", "100Mb", "100MB",
        "1g", "1gb", "2GB", "007mb", "", "mb", "b", "-1", "-0", "-1mb", "50%", "-50%", "1.5mb", "1e3", "0x10", "abc",
        "1tb", "1 mb", " 1mb", "1mb ", " 1", "1 ", "+1", "+1mb", "1mbx", "1kkb", "1bb", "--1", "m1", "1,000", "1_000",
        "2147483648", "4294967296", "9223372036854775807", "9223372036854775808", "18446744073709551615",
        "17179869183gb", "\u0663", "1\r\nmb",
    ],
    "maxmemory-policy": [
        *POLICIES, *(policy.upper() for policy in POLICIES), "NoEviction", "Volatile-TTL", "", "foo", "lru", "allkeys",
        "allkeys-ttl", "allkeys-lr", "allkeys-lruu", "allkeys-lru ", " allkeys-lru", "allkeys_lru", "no", "0", "7",
        "allkeys-lru noeviction", "allkeys-lru,volatile-lru", "all\u212aeys-lru", b"\xff",
    ],
    "maxmemory-samples": [
        "1", "3", "5", "10", "64", "65", "1000", "2147483647", "0", "-1", "2147483648", "9223372036854775807",
        "9223372036854775808", "abc", "", "1.5", "5%", "1k", "1kb", " 5", "5 ", "+5", "05", "0x5", "5\0",
    ],
    "lfu-log-factor": [
        "0", "1", "10", "100", "255", "256", "65536", "2147483647", "-1", "2147483648", "9223372036854775808", "abc",
        "", "1.5", "1k", "05", "-0",
    ],
    "lfu-decay-time": [
        "0", "1", "10", "255", "256", "65535", "65536", "2147483647", "-1", "2147483648", "9223372036854775808", "abc",
        "", "1.5", "1m", "05", "-0",
    ],
}  # fmt: skip


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("name", SETTINGS)
def test_settings_have_the_same_defaults(limited: BothServers, name: str, resp: int) -> None:
    limited.call("HELLO", resp)
    assert SETTINGS[name].encode() in limited.call("CONFIG", "GET", name)
    limited.call("CONFIG", "GET", name.upper())


@pytest.mark.parametrize(
    ("name", "value"), [pytest.param(name, value, id=f"{name} {value!r}") for name in VALUES for value in VALUES[name]]
)
def test_values_are_understood_alike(limited: BothServers, name: str, value: Word) -> None:
    limited.call("CONFIG", "SET", name, value)
    limited.call("CONFIG", "GET", name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("maxmemory", "1\0"),
        ("maxmemory", "1mb\0"),
        ("maxmemory", "1\0mb"),
        ("maxmemory", "\0"),
        ("maxmemory-policy", "allkeys-lru\0"),
        ("maxmemory-policy", "allkeys-lru\0x"),
        ("maxmemory-policy", "allkeys\0-lru"),
    ],
    ids=repr,
)
def test_sizes_and_words_end_at_their_first_nul(limited: BothServers, name: str, value: str) -> None:
    limited.call("CONFIG", "SET", name, value)
    limited.call("CONFIG", "GET", name)


@pytest.mark.parametrize(
    "request_",
    [
        "CONFIG SET maxmemory",
        "CONFIG SET maxmemory 1mb maxmemory-policy",
        "CONFIG SET maxmemory 1mb maxmemory 2mb",
        "CONFIG SET maxmemory 1mb MaxMemory 1mb",
        "CONFIG SET maxmemory 1mb maxmemory-policy nope",
        "CONFIG SET maxmemory-policy nope maxmemory 1mb",
        "CONFIG SET maxmemory-policy allkeys-lru maxmemory x",
        "CONFIG SET maxmemory x maxmemory-policy nope",
        "CONFIG SET maxmemory-samples 7 lfu-log-factor x",
        "CONFIG SET maxmemory-samples 0 lfu-decay-time -1",
        "CONFIG SET lfu-decay-time 5 nope 1",
        "CONFIG SET lfu-decay-time 5 databases 3",
        "CONFIG SET maxmemory 1gb maxmemory-policy volatile-ttl maxmemory-samples 3 lfu-log-factor 0 lfu-decay-time 0",
        "CONFIG SET MAXMEMORY 100MB MaxMemory-Policy VOLATILE-LFU",
        "CONFIG GET maxmemory maxmemory-policy nope",
        "CONFIG GET maxmemory-[ps]*",
        "CONFIG GET lfu-*",
        "CONFIG GET lfu*",
        "CONFIG GET maxmemory_policy",
    ],
)
def test_settings_are_changed_together_or_not_at_all(limited: BothServers, request_: str) -> None:
    play(limited, request_, "CONFIG GET " + " ".join(SETTINGS))


@pytest.mark.parametrize("value", ["0", "1", "1023", "1kb", "1536", "1mb", "100m", "2gb", "1099511627776"])
@pytest.mark.parametrize("policy", ["noeviction", "volatile-lru"])
def test_info_tells_the_limit_and_the_policy(limited: BothServers, value: str, policy: str) -> None:
    play(limited, f"CONFIG SET maxmemory {value} maxmemory-policy {policy}")
    compare_counts(limited, "memory", "maxmemory", "maxmemory_human", "maxmemory_policy")


def test_info_tells_what_is_used(limited: BothServers) -> None:
    play(limited, "SET k v")
    for reply in limited.both("INFO", "memory"):
        told = fields(reply)
        assert int(told["used_memory"]) > 0
        assert re.fullmatch(r"\d+B|\d+\.\d\d[KMGTP]", told["used_memory_human"])


# What is refused

KEYS = ["MSET s text n 5 t x d 1", "HSET h f 1 g 2", "SET e x EX 500000"]

REFUSED = [
    # whole and right
    "SET k v", "SET s v", "SET s v XX", "SET k v NX", "SET s v GET", "SET s ''", "SET s v EX 100000 KEEPTTL",
    "set k v", "SeT k v", "SET k v EX 100000", "SETNX k v", "SETEX k 100000 v", "PSETEX k 100000000 v", "GETSET s v",
    "GETSET k v", "MSET a 1 b 2", "MSET s x", "INCR n", "INCR k", "DECR n", "INCRBY n 5", "INCRBY n 0", "DECRBY n 5",
    "INCRBYFLOAT n 1.5", "APPEND s x", "APPEND s ''", "APPEND k x", "HSET h f 2", "HSET k f v", "HSET h a 1 b 2",
    "HSETNX h new v", "HSETNX k f v", "HINCRBY h f 1", "HINCRBY k f 1",
    # they would change nothing
    "SET s v NX", "SET k v XX", "SETNX s v", "HSETNX h f v", "HSET h f 1", "SET k v PXAT 1",
    # something else is wrong too
    "SET k v NOPE", "SET k v EX", "SET k v EX x", "SET k v EX 0", "SET k v NX XX", "SET h v GET", "SETEX k 0 v",
    "SETEX k x v", "PSETEX k -1 v", "MSET a 1 b", "MSET a 1 a", "INCR s", "INCR h", "INCRBY n x", "INCRBY h x",
    "DECRBY n -9223372036854775808", "INCRBY n 9223372036854775807", "INCRBYFLOAT n x", "INCRBYFLOAT s 1",
    "APPEND h x", "GETSET h x", "HSET s f v", "HSET h f v g", "HSETNX s f v", "HINCRBY h f x", "HINCRBY s f 1",
    "HINCRBY s f x",
]  # fmt: skip

ANSWERED = [
    # too few and too many words, and names that are none, come first
    "SET", "SET k", "SETNX k", "SETNX k v x", "SETEX k 1", "SETEX k 1 v x", "GETSET s", "MSET", "MSET a", "INCR",
    "INCR n x", "INCRBY n", "APPEND s", "HSET h", "HSET h f", "HSETNX h f", "HINCRBY h f", "HINCRBY h f 1 x", "FLY",
    "FLY away", "SETT k v", "''", "CONFIG NOPE", "CONFIG GET", "CONFIG SET maxmemory", "CLIENT NOPE",
    # what reads
    "GET s", "GET h", "GET nope", "MGET s h nope", "STRLEN s", "EXISTS s s nope", "TTL s", "TTL e", "PTTL nope",
    "TYPE s", "TYPE nope", "TOUCH s nope", "KEYS *", "SCAN 0", "SCAN 0 TYPE hash", "RANDOMKEY", "DBSIZE", "HGET h f",
    "HMGET h f nope", "HGETALL h", "HLEN h", "HKEYS h", "HVALS h", "HEXISTS h f", "HSCAN h 0", "HGET s f",
    # what makes room, or none is needed for it
    "DEL s", "DEL s h nope", "UNLINK h", "HDEL h f", "HDEL h f g", "HDEL h nope", "HDEL s f", "GETDEL s", "GETDEL h",
    "GETDEL nope", "GETEX s", "GETEX s EX 100000", "GETEX e PERSIST", "GETEX s EX 0", "EXPIRE s 500000",
    "EXPIRE s -1", "EXPIRE s x", "EXPIRE nope 5", "PEXPIRE s 500000000", "EXPIREAT s 4102444800",
    "PEXPIREAT s 4102444800000", "PERSIST e", "PERSIST s", "RENAME s k", "RENAME s h", "RENAME nope k", "RENAME s s",
    # what is not about keys
    "PING", "PING x", "ECHO x", "SELECT 1", "SELECT 99", "CLIENT SETNAME x", "CLIENT GETNAME", "CLIENT ID", "HELLO 3",
    "HELLO 2", "HELLO 9", "RESET", "AUTH x", "TIME", "INFO", "INFO nope", "COMMAND COUNT", "CONFIG GET maxmemory",
    "CONFIG SET timeout 0", "CONFIG SET maxmemory-samples 7", "CONFIG SET maxmemory 2", "CONFIG SET maxmemory x",
    "CONFIG RESETSTAT", "SHUTDOWN NOPE",
]  # fmt: skip


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("policy", ["noeviction", "volatile-lru"])
@pytest.mark.parametrize("request_", [*REFUSED, *ANSWERED])
@pytest.mark.every(5)
def test_over_the_limit_requests_are_answered_alike(
    limited: BothServers, request_: str, policy: str, resp: int
) -> None:
    limited.call("HELLO", resp)
    play(limited, *KEYS, f"CONFIG SET maxmemory-policy {policy}", "CONFIG SET maxmemory 1", request_)
    play(limited, "SELECT 0", "GET s", "HGETALL h", "EXISTS k a b e")
    limited.compare_keyspaces()


@pytest.mark.parametrize("request_", REFUSED)
def test_what_takes_memory_is_refused_over_the_limit_and_changes_nothing(limited: BothServers, request_: str) -> None:
    play(limited, *KEYS, "CONFIG SET maxmemory 1")
    words = ["" if word == "''" else word for word in request_.split(" ")]
    assert limited.call(*words) == b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
    play(limited, "EXISTS k a b new", "DBSIZE", "CONFIG SET maxmemory 0")
    limited.compare_keyspaces()
    limited.call(*words)  # it has its own answer again
    limited.compare_keyspaces()


WRITERS = sorted(each.name for each in CommandTable(GROUPS) if {"write", "readonly"} & set(each.flags))
LEAST = {each.name: each.least for each in CommandTable(GROUPS)}


@pytest.mark.parametrize("more", [-1, 0, 1])
@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.every(5)
def test_every_command_on_keys_is_refused_or_not_as_in_redis(limited: BothServers, name: str, more: int) -> None:
    play(limited, *KEYS, "CONFIG SET maxmemory 1")
    limited.call(name, *["s"] * (LEAST[name] - 1 + more))
    play(limited, "GET n", "HGETALL h")


def test_the_password_comes_before_the_limit(limited: BothServers) -> None:
    play(limited, *KEYS, "CONFIG SET maxmemory 1", f"CONFIG SET requirepass {PASSWORD}")
    limited.real.close()
    limited.real = RealConnection(limited.real_port)
    limited.ours.close()
    limited.ours = limited.cache.connect()
    play(limited, "SET k v", "SET k", "GET s", "AUTH x", f"AUTH {PASSWORD}", "SET k v", "GET s")


def test_refusals_are_counted_alike(limited: BothServers) -> None:
    play(limited, *KEYS, "CONFIG SET maxmemory 1", "CONFIG RESETSTAT")
    play(limited, "SET k v", "SET k v NOPE", "SET s v NX", "SET", "GET s", "GET nope", "INCR s", "FLY", "DEL d")
    compare_counts(limited, "errorstats", "errorstat_OOM", "errorstat_ERR")
    told = compare_counts(
        limited, "stats", "total_error_replies", "evicted_keys", "expired_keys", "keyspace_hits", "keyspace_misses"
    )
    assert told["evicted_keys"] == "0"
    theirs, ours = (fields(reply) for reply in limited.both("INFO", "commandstats"))
    for name in ("set", "incr", "get", "del"):
        counts = [
            {count: re.findall(rf"\b{count}=(\d+)", told[f"cmdstat_{name}"]) for count in COUNTS}
            for told in (theirs, ours)
        ]
        assert counts[1] == counts[0], name
    assert "rejected_calls=4" in theirs["cmdstat_set"]


COUNTS = ["calls", "rejected_calls", "failed_calls"]


def test_counts_of_evictions_begin_anew(limited: BothServers) -> None:
    play(limited, *KEYS, "CONFIG SET maxmemory-policy allkeys-random maxmemory 1", "DBSIZE", "CONFIG RESETSTAT")
    assert compare_counts(limited, "stats", "evicted_keys")["evicted_keys"] == "0"


# What is removed

IN_EACH_DATABASE = ["MSET p1 x p2 x", "HSET ph f v", "SET t1 x EX 500000", "SET t2 x EX 100000", "HSET th f v"]


def fill(both: BothServers) -> None:
    """Set three keys that stay and three that go in each of two databases, and select the first."""
    for index in (3, 0):
        play(both, f"SELECT {index}", *IN_EACH_DATABASE, "EXPIRE th 300000")


@pytest.mark.parametrize("policy", POLICIES)
def test_a_limit_of_one_byte_leaves_the_keys_that_may_not_go(limited: BothServers, policy: str) -> None:
    fill(limited)
    play(limited, "CONFIG RESETSTAT", f"CONFIG SET maxmemory-policy {policy}")
    play(
        limited, "CONFIG SET maxmemory 1", "DBSIZE", "KEYS *", "GET p1", "GET t1", "TTL t2", "HGETALL ph", "HGETALL th"
    )
    play(limited, "SELECT 3", "DBSIZE", "KEYS *", "EXISTS p1 p2 ph t1 t2 th", "SELECT 0")
    told = compare_counts(limited, "stats", "evicted_keys", "expired_keys", "keyspace_hits", "keyspace_misses")
    gone = {"noeviction": "0"}.get(policy, "12" if policy in ALLKEYS else "6")
    assert told["evicted_keys"] == gone
    compare_databases(limited)


def compare_databases(both: BothServers) -> None:
    """Compare how many keys there are in each database, and how many of them go."""
    theirs, ours = (fields(reply) for reply in both.both("INFO", "keyspace"))
    without_times = [{name: told[name].rpartition(",")[0] for name in told} for told in (theirs, ours)]
    assert without_times[1] == without_times[0]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    "first",
    [
        "DBSIZE", "PING", "GET p1", "GET t1", "TTL t1", "EXISTS p1 t1", "HGETALL th", "KEYS *", "SCAN 0 COUNT 100",
        "DEL t1 p1", "EXPIRE t1 900000", "RENAME t1 new", "INFO nope", "SELECT 3", "GETDEL t1",
    ],
)  # fmt: skip
def test_the_next_request_of_any_kind_finds_them_gone(limited: BothServers, first: str, policy: str) -> None:
    fill(limited)
    play(limited, f"CONFIG SET maxmemory-policy {policy}", "CONFIG SET maxmemory 1", first, "DBSIZE")
    compare_databases(limited)


@pytest.mark.parametrize("policy", KEPT)
@pytest.mark.parametrize("write", ["SET k v", "SET k v EX 100000", "SET p1 y", "HSET ph g v", "APPEND t1 x", "INCR k"])
def test_when_nothing_may_go_writes_are_refused(limited: BothServers, write: str, policy: str) -> None:
    fill(limited)
    play(limited, f"CONFIG SET maxmemory 1 maxmemory-policy {policy}")
    assert limited.call(*write.split(" ")).startswith(b"-OOM ")
    play(limited, "GET p1", "HGETALL ph", "DEL p2", "EXPIRE p1 400000", "EXISTS p1", "DBSIZE", "SELECT 3", "DBSIZE")


@pytest.mark.parametrize("policy", VOLATILE)
def test_a_key_that_is_given_a_time_to_live_may_go(limited: BothServers, policy: str) -> None:
    play(limited, "MSET a x b x c x", f"CONFIG SET maxmemory 1 maxmemory-policy {policy}", "DBSIZE", "EXPIRE a 500000")
    play(limited, "DBSIZE", "EXISTS a", "EXISTS b c", "SET k v")
    play(
        limited, "CONFIG SET maxmemory 0", "SET k v EX 500000", "PERSIST k", "CONFIG SET maxmemory 1", "DBSIZE", "GET k"
    )


@pytest.mark.parametrize("policy", VOLATILE)
def test_policies_change_at_run_time(limited: BothServers, policy: str) -> None:
    fill(limited)
    play(limited, "CONFIG SET maxmemory 1", "SET k v", "DBSIZE")
    play(limited, f"CONFIG SET maxmemory-policy {policy}", "DBSIZE", "SET k v")
    play(limited, "CONFIG SET maxmemory-policy noeviction", "DBSIZE", "SET k v", "GET p1")
    play(limited, "CONFIG SET maxmemory-policy allkeys-random", "DBSIZE", "GET p1", "SELECT 3", "DBSIZE")
    play(limited, "CONFIG SET maxmemory 0", "SET k v", "GET k", "DBSIZE")


@pytest.mark.parametrize(
    "request_",
    ["CONFIG SET maxmemory 1 timeout x", "CONFIG SET timeout x maxmemory 1", "CONFIG SET maxmemory 1 maxmemory 1"],
)
def test_a_limit_that_was_not_set_removes_nothing(limited: BothServers, request_: str) -> None:
    fill(limited)
    play(limited, "CONFIG SET maxmemory-policy allkeys-lru", request_, "DBSIZE", "SET k v", "DBSIZE")


def test_keys_that_were_removed_leave_no_time_to_live_behind(limited: BothServers) -> None:
    play(limited, "SET k v EX 100000", "CONFIG SET maxmemory 1 maxmemory-policy volatile-ttl", "EXISTS k")
    play(limited, "CONFIG SET maxmemory 0", "SET k new KEEPTTL", "TTL k")
