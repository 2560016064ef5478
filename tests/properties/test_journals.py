"""Generated cases for the log: whatever is done, doing again what was noted gives the same data, whenever that is."""

from __future__ import annotations

from typing import Any, List, Tuple

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from tests.generated.values import as_replayed
from tests.generated.writes import BEGINNING, writes
from tests.storage.starts import Data, Request, contents, laid_out, started
from twisted_kv.faces.in_process import LocalSession
from twisted_kv.persistence.journal import Journal
from twisted_kv.persistence.log_format import LogReader, request_size, write_effects
from twisted_kv.rdb.payload import dump
from twisted_kv.sessions.services import Effect
from twisted_kv.testing import START, Clock, MemoryCache
from twisted_kv.values.hashes import Hash
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.wire.encoder import encode_request

keys = st.sampled_from([b"a", b"b", b"c", b"\r\n*1\r\n"])
fields = st.sampled_from([b"f", b"g", b""])
values = st.sampled_from([b"1", b"-7", b"2.5", b"v", b"", b"x\r\n$1\r\n", b"9" * 30])
numbers = st.integers(-3, 30).map(lambda number: b"%d" % number)
seconds = st.integers(-1, 5).map(lambda number: b"%d" % number)
milliseconds = st.integers(-1, 5000).map(lambda number: b"%d" % number)
dates = st.integers(-1000, 5000).map(lambda number: b"%d" % (START * 1000 + number))
dates_in_seconds = st.integers(-2, 5).map(lambda number: b"%d" % (START + number))
conditions = st.sampled_from([(), (), (b"NX",), (b"XX",), (b"gt",), (b"LT",)])


def _payload(pairs: dict[bytes, bytes] | bytes) -> bytes:
    if isinstance(pairs, bytes):
        return dump(pairs)
    value = Hash()
    for field, content in pairs.items():
        value.set(field, content)
    return dump(value)


payloads = st.one_of(values, st.dictionaries(fields, values, min_size=1)).map(_payload)


def words(name: str, *parts: Any) -> st.SearchStrategy[Request]:
    strategies = [st.just(part) if isinstance(part, bytes) else part for part in parts]
    return st.tuples(*strategies).map(lambda found: (name.encode(), *_flat(found)))


def _flat(parts: Tuple[Any, ...]) -> List[bytes]:
    return [word for part in parts for word in ([part] if isinstance(part, bytes) else part)]


times = st.one_of(
    st.tuples(st.just(b"EX"), seconds),
    st.tuples(st.just(b"px"), milliseconds),
    st.tuples(st.just(b"EXAT"), dates_in_seconds),
    st.tuples(st.just(b"PXAT"), dates),
)
options = st.one_of(
    st.just(()),
    times,
    st.sampled_from([(b"NX",), (b"XX",), (b"GET",), (b"KEEPTTL",), (b"XX", b"KEEPTTL"), (b"NX", b"get")]),
    st.tuples(times, st.sampled_from([(b"NX",), (b"XX",), (b"GET",)])).map(lambda pair: pair[0] + pair[1]),
)
restored = st.sampled_from([(), (b"REPLACE",), (b"REPLACE", b"IDLETIME", b"5"), (b"FREQ", b"7")])

requests = st.one_of(
    words("SET", keys, values, options),
    words("SETNX", keys, values),
    words("SETEX", keys, seconds, values),
    words("PSETEX", keys, milliseconds, values),
    words("GETSET", keys, values),
    words("GETDEL", keys),
    words("GETEX", keys, st.one_of(times, st.just((b"PERSIST",)))),
    words("MSET", keys, values, keys, values),
    words("APPEND", keys, values),
    st.one_of(words("INCR", keys), words("DECR", keys)),
    st.one_of(words("INCRBY", keys, numbers), words("DECRBY", keys, numbers), words("INCRBYFLOAT", keys, values)),
    st.one_of(words("DEL", keys, keys), words("UNLINK", keys)),
    st.one_of(words("EXPIRE", keys, seconds, conditions), words("PEXPIRE", keys, milliseconds, conditions)),
    st.one_of(words("EXPIREAT", keys, dates_in_seconds, conditions), words("PEXPIREAT", keys, dates, conditions)),
    words("PERSIST", keys),
    words("RENAME", keys, keys),
    words("RESTORE", keys, milliseconds, payloads, restored),
    words("RESTORE", keys, dates, payloads, st.just(b"ABSTTL"), restored),
    words("HSET", keys, fields, values, fields, values),
    words("HMSET", keys, fields, values),
    words("HSETNX", keys, fields, values),
    words("HINCRBY", keys, fields, numbers),
    words("HDEL", keys, fields, fields),
    st.one_of(words("FLUSHDB"), words("FLUSHALL")),
    words("GET", keys),
    words("SELECT", st.sampled_from([b"0", b"1"])),
)
transactions = st.lists(st.one_of(requests, writes), max_size=6).map(lambda some: [(b"MULTI",), *some, (b"EXEC",)])
times_passing = st.one_of(st.integers(1, 3000), st.integers(-2000, -1))
steps = st.lists(st.one_of(requests, requests, requests, requests, times_passing), max_size=40)
"""Requests; milliseconds that pass; with a minus, milliseconds after which no timer has run yet."""

steps_of_all_types = st.lists(st.one_of(writes, writes, writes, writes, requests, transactions, times_passing))
"""Some steps are transactions: lists of requests."""


def attempt(session: LocalSession, request: Request) -> None:
    """Run a request, which may be refused."""
    failed = ""
    try:
        reply = session.call(*request)
        if isinstance(reply, Deferred):  # it waits for a key
            reply.addErrback(lambda failure: None)
    except CommandError as error:
        failed = str(error)
    assert "internal" not in failed


def told(cache: MemoryCache) -> Data:
    """Give what a cache holds, less what a log does not tell."""
    return {key: (as_replayed(value), deadline) for key, (value, deadline) in contents(cache).items()}


@given(steps=steps)
def test_a_log_gives_the_same_data_whenever_it_is_replayed(steps: list[Any]) -> None:
    assert_replayed(steps, START)


@given(steps=steps_of_all_types)
def test_a_log_of_all_types_gives_the_same_data_whenever_it_is_replayed(steps: list[Any]) -> None:
    assert_replayed([*BEGINNING, *steps])


def assert_replayed(steps: list[Any], *earlier: float) -> None:
    """Do what is asked for, and assert that what was noted of it gives the same data then and later.

    A clock that was set back makes deliveries to consumers younger than they are, in Redis too.
    """
    cache = MemoryCache()
    records: list[list[Effect]] = []
    Journal(cache.service.dispatcher, records.append).open()
    with cache.session() as session:
        for step in steps:
            if isinstance(step, list):
                for request in step:
                    attempt(session, request)
            elif not isinstance(step, int):
                attempt(session, step)
            elif step > 0:
                cache.clock.advance(step / 1000)
            else:
                cache.clock.rightNow = round(cache.clock.rightNow - step / 1000, 6)
    held = told(cache)
    log, database = b"", -1
    for done in records:
        data, database = write_effects(done, database)
        log += data
    now = cache.clock.seconds()
    cache.stop()
    for later in (*earlier, now, now + 86_400):
        with started(laid_out(incr=log), Clock(later)) as other:
            loaded = told(other)
            alive = {key: pair for key, pair in held.items() if pair[1] is None or pair[1] > later * 1000}
            assert all(held[key] == pair for key, pair in loaded.items())
            assert alive.keys() <= loaded.keys()
            other.clock.advance(0.001)
            assert not other.service.dispatcher.admission.is_loading
            if later > now:
                assert told(other) == {key: pair for key, pair in held.items() if _stays(pair, later)}


def _stays(pair: Any, later: float) -> bool:
    return pair[1] is None or pair[1] > (later + 0.001) * 1000


words_of_requests = st.lists(st.binary(max_size=40), min_size=1, max_size=6)


@given(
    parts=st.lists(st.one_of(words_of_requests, st.sampled_from([b"#TS:1600000000\r\n", b"#\n"])), max_size=12),
    piece=st.integers(1, 100),
    offset=st.integers(0, 1000),
)
def test_requests_come_out_of_a_log_as_they_went_in(parts: list[Any], piece: int, offset: int) -> None:
    data = b"".join(part if isinstance(part, bytes) else encode_request(part) for part in parts)
    reader = LogReader(offset)
    found: list[tuple[int, list[bytes]]] = []
    for start in range(0, len(data), piece):
        reader.feed(data[start : start + piece])
        while True:
            requests, place = reader.take()
            if not requests:
                break
            for request in requests:
                found.append((place, request))
                place += request_size(request)
    expected, place = [], offset
    for part in parts:
        if not isinstance(part, bytes):
            expected.append((place, part))
            assert request_size(part) == len(encode_request(part))
        place += len(part) if isinstance(part, bytes) else request_size(part)
    assert found == expected
    assert (reader.rest, reader.offset) == (b"", place)
