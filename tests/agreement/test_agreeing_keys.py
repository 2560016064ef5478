"""Keys of any type, and SORT: the same replies, and the same data in the end."""

from __future__ import annotations

from typing import Sequence

import pytest
from hypothesis import given

from .generated import FAR, HASHES, Words, protocols, sequences, thorough
from .requests_generic import KEYS_OF_ANY_TYPE, SORTS, VALUES, VALUES_IN_ORDER
from .requests_hashes import HASHES_ALSO
from .servers import BothServers
from .test_agreeing_transactions import compare_data
from .test_edges import NUMBERS, lines

pytestmark = [pytest.mark.peer, pytest.mark.timeout(900)]


def play(servers: BothServers, requests: Sequence[Words], resp: int) -> None:
    servers.begin(resp)
    for request in requests:
        servers.call(*request)
    compare_data(servers)


@thorough
@given(requests=sequences(KEYS_OF_ANY_TYPE, VALUES), resp=protocols)
def test_keys_of_any_type_agree_with_redis(servers: BothServers, requests: Sequence[Words], resp: int) -> None:
    play(servers, requests, resp)


@thorough
@given(requests=sequences(SORTS, VALUES_IN_ORDER, VALUES_IN_ORDER), resp=protocols)
def test_sort_agrees_with_redis(servers: BothServers, requests: Sequence[Words], resp: int) -> None:
    play(servers, requests, resp)


@thorough
@given(requests=sequences(HASHES_ALSO, HASHES), resp=protocols)
def test_the_newer_commands_on_hashes_agree_with_redis(
    servers: BothServers, requests: Sequence[Words], resp: int
) -> None:
    play(servers, requests, resp)


WEIGHTS = "MSET w_1 5 w_2 1 w_10 7 u_1 x u_2 1 g_1 b g_2 a,HSET h_1 f 3 g 1,HSET h_2 f 2,HSET h_3 f 1"
SORTED = {
    "a list": "RPUSH k 3 1 2 10 2",
    "texts": "RPUSH k b a c '' B",
    "a set of numbers": "SADD k 3 1 2 10",
    "a set of texts": "SADD k b a c",
    "a sorted set": "ZADD k 3 1 1 2 2 3 1 10",
    "a string": "SET k v",
    "nothing": "DEL k",
}
OPTIONS = [
    "", "DESC", "ALPHA", "ALPHA DESC", "BY nosort ALPHA", "BY nosort DESC", "BY nosort DESC LIMIT 1 2",
    "BY nosort LIMIT 1 2", "BY nosort LIMIT -5 2", "BY nosort DESC LIMIT 9 2", "BY nosort STORE d",
    "BY nosort DESC STORE d", "LIMIT 1 2", "LIMIT -1 2", "LIMIT 1 -2", "LIMIT 1 0", "LIMIT 10 10", "LIMIT a 1",
    "LIMIT 1 a", "LIMIT 1", "ASC DESC ASC", "BY", "GET", "STORE", "NOPE", "STORE d", "STORE k", "BY w_*", "BY w_* DESC",
    "BY w_* ALPHA", "BY w_* ALPHA DESC", "BY u_*", "BY u_* ALPHA", "BY g_* ALPHA DESC", "BY w_* GET w_* GET # GET n",
    "ALPHA GET w_* GET # STORE d", "BY h_*->f GET h_*->f GET h_*->g GET h_*-> GET h_*->f->g", "BY h_*->", "BY h_*",
    "ALPHA GET h_*", "BY w_->*", "ALPHA GET *", "BY *", "BY # ALPHA", "BY '' GET ''", "desc alpha limit 0 2 get #",
    "BY nosort GET # GET w_*", "BY w_* LIMIT 1 2", "STORE d STORE e", "GET nope STORE d", "BY w_* BY nosort",
]  # fmt: skip


@pytest.mark.parametrize("name", ["SORT", "SORT_RO"])
@pytest.mark.parametrize("held", SORTED)
def test_sort_understands_its_options_alike(both: BothServers, held: str, name: str) -> None:
    for option in OPTIONS:
        pattern = option.rpartition("BY ")[2].partition(" ")[0]
        has_equals = "BY " in option and ("*" not in pattern or "ALPHA" in option)
        if has_equals and "STORE" not in option and held in ("a set of texts", "a sorted set"):
            continue  # their order is no promise
        both.call("FLUSHALL")
        for request in lines(*WEIGHTS.split(","), SORTED[held], "RPUSH d 1", f"{name} k {option}".rstrip()):
            both.call(*request)
        for request in lines("TYPE d", "DEBUG DIGEST", "PTTL d"):
            both.call(*request)


@pytest.mark.parametrize("number", [*NUMBERS, " 1", "1 ", "1\0x", "\t1", "1e-400"])
def test_sort_reads_numbers_alike(both: BothServers, number: str) -> None:
    both.call("RPUSH", "l", "0", b"" if number == "''" else number, "-5", "7")
    both.call("SORT", "l")
    both.call("SORT", "l", "DESC")
    both.call("SET", "w_0", b"" if number == "''" else number)
    both.call("SORT", "l", "BY", "w_*", "LIMIT", "0", "1")


DATABASES = ["0", "1", "2", "15", "16", "-1", "x", "", "1.5", " 1", "4294967296", "99999999999999999999"]


@pytest.mark.parametrize("database", DATABASES)
def test_databases_are_named_alike(both: BothServers, database: str) -> None:
    for key in ("k", "nope"):
        both.call("SET", "k", "v", "PXAT", FAR * 1000)
        both.call("COPY", key, "other", "DB", database)
        both.call("COPY", key, key, "DB", database)
        both.call("MOVE", key, database)
        both.call("SWAPDB", "0", database)
        both.call("SWAPDB", database, "0")
    both.call("SWAPDB", database, database)
    compare_data(both)


@pytest.mark.parametrize(
    "requests",
    [
        "OBJECT", "OBJECT ENCODING", "OBJECT ENCODING a b", "OBJECT NOPE a", "OBJECT IDLETIME nope", "OBJECT FREQ nope",
        "SET a 1,OBJECT FREQ a,OBJECT REFCOUNT a,OBJECT ENCODING a", "MEMORY", "MEMORY NOPE",
        "MEMORY USAGE", "MEMORY USAGE nope", "MEMORY USAGE nope SAMPLES x", "MEMORY USAGE nope SAMPLES -1",
        "MEMORY USAGE nope SAMPLES", "MEMORY USAGE nope SAMPLES 1 SAMPLES 2", "MEMORY USAGE nope NOPE 2",
        "SET a 10000,OBJECT REFCOUNT a,SET a -1,OBJECT REFCOUNT a,SET a x,OBJECT REFCOUNT a,OBJECT ENCODING a",
        "CONFIG SET maxmemory-policy allkeys-lfu,SET a x,OBJECT FREQ a,OBJECT IDLETIME a,OBJECT FREQ nope",
        "OBJECT IDLETIME nope,CONFIG SET maxmemory-policy noeviction,OBJECT FREQ nope",
        "DEBUG", "DEBUG NOPE", "DEBUG SLEEP", "DEBUG SLEEP 0", "DEBUG SLEEP x", "DEBUG SLEEP 0.01x", "DEBUG OBJECT",
        "DEBUG OBJECT nope", "DEBUG DIGEST", "DEBUG DIGEST-VALUE a b", "DEBUG SET-ACTIVE-EXPIRE 1",
        "DEBUG STRINGMATCH-LEN 1 x",
        "DEBUG QUICKLIST-PACKED-THRESHOLD 1x", "DEBUG QUICKLIST-PACKED-THRESHOLD 4gb", "DEBUG RELOAD", "debug digest",
    ],
)  # fmt: skip
def test_hand_picked_requests_are_answered_alike(both: BothServers, requests: str) -> None:
    try:
        for request in lines(*requests.split(",")):
            both.call(*request)
    finally:
        both.ask_real("CONFIG", "SET", "maxmemory-policy", "noeviction")  # it serves other tests too
