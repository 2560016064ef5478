"""The form of a log: what is written, and what is read, or refused."""

from __future__ import annotations

import re

import pytest

from tests.storage.starts import log, words
from twisted_kv.persistence.log_format import (
    CommandWriter,
    LogError,
    LogReader,
    date_note,
    is_torn,
    request_size,
    write_effects,
)
from twisted_kv.rdb.uses import Large
from twisted_kv.values.hashes import Hash
from twisted_kv.wire.encoder import encode_request
from twisted_kv.wire.plain_requests import listed

SET = words("SET", "k", "v")
DEL = words("DEL", "k")


def read(data: bytes, piece: int = 1 << 30) -> tuple[list[list[bytes]], bytes]:
    """Give the requests of a log, and what is left."""
    reader = LogReader()
    found: list[list[bytes]] = []
    for start in range(0, len(data), piece):
        reader.feed(data[start : start + piece])
        while True:
            taken, place = reader.take()
            requests = listed(taken)
            if not requests:
                break
            assert data[place : place + request_size(requests[0])] == encode_request(requests[0])
            found += requests
    return found, reader.rest


def refusal(data: bytes, piece: int = 1 << 30) -> LogError:
    with pytest.raises(LogError) as caught:
        read(data, piece)
    return caught.value


def test_records_say_which_database_they_are_of_where_that_changes() -> None:
    database, parts = -1, []
    for index, request in ((0, SET), (0, DEL), (3, SET), (3, DEL), (0, DEL)):
        data, database = write_effects([(index, request)], database)
        assert database == index
        parts.append(data)
    assert b"".join(parts) == log(("SELECT", 0), SET, DEL, ("SELECT", 3), SET, DEL, ("SELECT", 0), DEL)
    assert write_effects([], 7) == (b"", 7)


def test_what_belongs_together_is_written_as_a_transaction() -> None:
    data, database = write_effects([(2, SET), (2, DEL)], 0)
    assert (data, database) == (log(("SELECT", 2), ("MULTI",), SET, DEL, ("EXEC",)), 2)
    data, database = write_effects([(2, SET), (5, DEL), (5, SET)], database)
    assert (data, database) == (log(("MULTI",), SET, ("SELECT", 5), DEL, SET, ("EXEC",)), 5)


def test_a_date_is_noted_in_whole_seconds() -> None:
    assert date_note(1_600_000_000.9) == b"#TS:1600000000\r\n"


def test_keys_are_written_as_the_requests_that_make_them() -> None:
    writer = CommandWriter()
    value = Hash()
    for place in range(130):
        value.set(b"f%d" % place, b"")
    assert writer.begin({"ctime": 5}) == b""
    assert writer.database(0, 2, 0) == log(("SELECT", 0))
    assert writer.key(0, b"k", b"v", None, None) == log(("SET", "k", "v"))
    assert writer.key(4, b"k", b"v", 5, (248, 7)) == log(("SELECT", 4), ("SET", "k", "v"), ("PEXPIREAT", "k", 5))
    requests, _ = read(writer.key(4, b"h", value, None, None))
    assert [(request[:2], len(request)) for request in requests] == [
        ([b"HMSET", b"h"], 130),
        ([b"HMSET", b"h"], 130),
        ([b"HMSET", b"h"], 6),
    ]
    requests, _ = read(b"".join(writer.large(Large(5, b"h", Hash, value.freeze(), 130, 9, None))))
    assert requests[0] == [b"SELECT", b"5"]
    assert requests[-1] == [b"PEXPIREAT", b"h", b"9"]
    assert writer.end(7) == b""
    assert CommandWriter(dated=True).begin({"ctime": 5}) == b"#TS:5\r\n"


@pytest.mark.parametrize("piece", [1, 2, 7, 1 << 30])
def test_requests_and_notes_are_read_however_they_are_cut(piece: int) -> None:
    data = b"#TS:5\r\n" + log(SET) + b"#\n" + log(("SET", "a\r\n", "*1\r\n"), DEL) + b"#more\n"
    assert read(data, piece) == ([list(SET), [b"SET", b"a\r\n", b"*1\r\n"], list(DEL)], b"")
    assert read(data + b"*3\r\n$3\r\nSET\r\n$1", piece) == (read(data)[0], b"*3\r\n$3\r\nSET\r\n$1")


def test_a_request_of_very_many_words_is_read_word_by_word_as_it_comes() -> None:
    """Each piece once began the request anew, and 2.6 MB took eight seconds."""
    request = words("DEL", *range(100_000))
    reader = LogReader()
    data = log(request)
    for start in range(0, len(data), 4096):
        assert reader.take()[0] == []
        reader.feed(data[start : start + 4096])
    assert reader.take()[0] == [list(request)]


def test_the_words_of_a_request_under_way_are_kept() -> None:
    reader = LogReader(100)
    data = log(("DEL", *range(50)))
    reader.feed(data[:100])
    assert reader.take() == ([], 100)
    assert len(reader._words) > 5
    assert (reader.rest, reader.offset) == (data[:100], 100)
    reader.feed(data[100:] + log(SET))
    assert reader.take() == ([list(words("DEL", *range(50)))], 100)
    assert reader.take() == ([list(SET)], 100 + len(data))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"PING\r\n", r"no '\*'"),
        (b"\r\n", r"no '\*'"),
        (b"*0\r\n", "0 words"),
        (b"*-1\r\n", "-1 words"),
        (b"*1048577\r\n", "1048577 words"),
        (b"*\r\n", r"no '\*'"),
        (b"*x\r\n", r"no '\*'"),
        (b"*+1\r\n", r"no '\*'"),
        (b"*01\r\n", r"no '\*'"),
        (b"*1\n", r"no '\*'"),
        (b"*1\r\r\n", r"no '\*'"),
        (b"*" + b"1" * 70, r"no '\*'"),
        (b"*" + b"1" * 70 + b"\r\n", r"no '\*'"),
        (b"*1x", r"no '\*'"),
        (b"*1\r\r", r"no '\*'"),
        (b"*1\r\n*", r"no '\$'"),
        (b"*1\r\n$-1\r\n", "a word of -1 bytes"),
        (b"*1\r\n$1\r\nabc", "another length"),
        (b"*1\r\n$3\r\nab\r\n\r\n", "another length"),
        (b"*1\r\n$1\r\na\rx", "another length"),
        (b"*1\r\n$1\r\nax", "another length"),
    ],
)
def test_what_is_no_request_is_refused(data: bytes, why: str) -> None:
    before = log(SET)
    for piece in (1, 1 << 30):
        error = refusal(before + data + bytes(2), piece)
        assert re.search(why, str(error))
        assert error.offset == len(before)
    assert not is_torn(data)


@pytest.mark.parametrize(
    "rest", [b"*", b"*-", b"*3", b"*3\r", b"*3\r\n", b"*1\r\n$", b"*1\r\n$4\r\nPI", b"#TS", bytes(9)]
)
def test_what_is_torn_off_is_the_beginning_of_a_request(rest: bytes) -> None:
    assert is_torn(rest)
    assert is_torn(rest + bytes(100))


def test_what_is_damaged_is_not_torn_off() -> None:
    assert not is_torn(b"x")
    assert not is_torn(log(SET))
    assert not is_torn(log(SET) + b"*")
    assert not is_torn(b"*1\r\n$999\r\nx\r\n" + log(SET))
