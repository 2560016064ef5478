"""The requests that make a value anew, as a log has them, make the same of it in Redis."""

from __future__ import annotations

from typing import Iterator

import pytest

from tests.generated.values import KINDS, as_replayed, many, value_of
from tests.rdb.cases import VALUES
from tests.rdb.files import Streamed, Value
from twisted_kv.persistence.log_format import CommandWriter, LogReader
from twisted_kv.rdb.uses import Large
from twisted_kv.wire.plain_requests import listed

from .programs import Complaint, Connection, question, type_of, value_told
from .servers import RedisServer

pytestmark = pytest.mark.peer

SAMPLES = [pytest.param(each.value, id=each.name) for each in VALUES if "without fields" not in each.name]
SAMPLES += [pytest.param(many(kind, 1300), id=f"a large {kind}") for kind in KINDS]


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Connection]:
    connection = Connection(redis_server.port)
    connection.ask([("FLUSHALL",)])
    yield connection
    connection.close()


def as_claimed(value: Value) -> Value:
    """Give a value as requests tell it: XCLAIM knows no date before 1970, and takes its own."""
    value = as_replayed(value)
    if not isinstance(value, Streamed):
        return value
    groups = {}
    for name, group in value.groups.items():
        pending = {
            place: (who, when if when >= 0 else -1, count) for place, (who, when, count) in group.pending.items()
        }
        groups[name] = group._replace(pending=pending)
    return value._replace(groups=groups)


@pytest.mark.parametrize("sample", SAMPLES)
def test_redis_makes_the_same_of_our_requests(redis: Connection, sample: Value) -> None:
    value = value_of(sample)
    writer = CommandWriter()
    data = [writer.database(0, 2, 0), writer.key(0, b"k", value, None, None)]
    if not isinstance(value, bytes):
        data += writer.large(Large(0, b"frozen", type(value), value.freeze(), len(value), None, None))
    reader = LogReader()
    reader.feed(b"".join(data))
    while True:
        requests = listed(reader.take()[0])
        if not requests:
            break
        for request, reply in zip(requests, redis.ask([tuple(words) for words in requests])):
            assert not isinstance(reply, Complaint), (request[:9], reply)
    assert reader.rest == b""
    kind = type_of(sample)
    for key in (b"k", b"frozen")[: 1 if isinstance(sample, bytes) else 2]:
        [reply] = redis.ask([question(kind, key)])
        assert not isinstance(reply, Complaint)
        assert _without_own_dates(as_claimed(value_told(kind, reply)), as_claimed(sample)) == as_claimed(sample)


def _without_own_dates(told: Value, wanted: Value) -> Value:
    """Put the dates that XCLAIM has not taken where it has put its own."""
    if not isinstance(told, Streamed) or not isinstance(wanted, Streamed):
        return told
    groups = {}
    for name, group in told.groups.items():
        known = wanted.groups[name].pending
        pending = {
            place: (who, -1 if known.get(place, (b"", 0, 0))[1] == -1 else when, count)
            for place, (who, when, count) in group.pending.items()
        }
        groups[name] = group._replace(pending=pending)
    return told._replace(groups=groups)
