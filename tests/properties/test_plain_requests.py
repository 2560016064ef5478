"""The short cut for plain requests gives what the careful reader gives, in the same order, and does little for it."""

from __future__ import annotations

from typing import Any, Iterable, NamedTuple, Optional

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.properties.test_streams import cuts, pieces, request_tokens, words
from twisted_kv.vocabulary.errors import ProtocolError
from twisted_kv.wire.encoder import encode_request
from twisted_kv.wire.plain_requests import LEAST_RUN, Run, TakePlain, by_bytes, by_lines, listed
from twisted_kv.wire.requests import RequestReader

Request = list[bytes]


class Outcome(NamedTuple):
    """What a stream gave: its requests, and the text of the error that ended it, if one did."""

    requests: list[Request]
    error: Optional[str]


LOCK, UNLOCK = b"LOCK", b"UNLOCK"
"""Requests behind which a client must give a password, or has given it, as RESET and AUTH do."""


def is_trusted_after(words: Request, trusted: bool) -> bool:
    """Tell whether the requests behind one are read with trust."""
    return words[0] == UNLOCK if words[0] in (LOCK, UNLOCK) else trusted


def read_by_gets(stream: Iterable[bytes], reader: RequestReader, trusted: bool = True) -> Outcome:
    """Read a stream with care alone."""
    requests: list[Request] = []
    reader.authenticated = trusted
    try:
        for piece in stream:
            reader.feed(piece)
            while (words := reader.gets()) is not None:
                requests.append(words)
                reader.authenticated = is_trusted_after(words, reader.authenticated)
    except ProtocolError as error:
        return Outcome(requests, str(error))
    return Outcome(requests, None)


def read_as_connections_do(
    stream: Iterable[bytes], reader: RequestReader, trusted: bool = True, *, gives_back: bool = False
) -> Outcome:
    """Read a stream as `net/stream.py` does; with `gives_back` whatever was taken is given back but for its first.

    Whenever the reader says that it holds nothing more, that must be so; and when it wants bytes, it must say so.
    """
    requests: list[Request] = []
    try:
        for piece in stream:
            if piece:
                reader.feed(piece)
            while reader.more:
                reader.authenticated = trusted
                taken = listed(reader.take())
                assert reader.more or reader.between_requests
                if not taken:
                    words = reader.gets()
                    if words is None:
                        break
                    taken = [words]
                following = iter(taken)
                for words in following:
                    requests.append(words)
                    trusted = is_trusted_after(words, trusted)
                    if not trusted or gives_back:
                        reader.give_back(following)
            assert reader.more is not reader.between_requests
    except ProtocolError as error:
        return Outcome(requests, str(error))
    return Outcome(requests, None)


def assert_the_same(stream: bytes, places: list[int], trusted: bool = True, **options: Any) -> None:
    expected = read_by_gets([stream], RequestReader(**options), trusted)
    for gives_back in (False, True):
        for cut in (pieces(stream, places), [stream]):
            found = read_as_connections_do(cut, RequestReader(**options), trusted, gives_back=gives_back)
            assert found == expected


# Streams --------------------------------------------------------------------------------------------------------------

NOT_PLAIN = [
    b"PING\r\n",
    b"\r\n",
    b"*0\r\n",
    b"*-1\r\n",
    b"*01\r\n$4\r\nPING\r\n",
    b"*+1\r\n$4\r\nPING\r\n",
    b"*1\r\n$04\r\nPING\r\n",
    b"*1\r\n$4\r\nPINGxx",  # two bytes behind a word are passed over without a look
    b"*1\r\n$4\r\nPING\n\r",
    b"*1\rx$4\rxPING\r\n",  # and so is the byte behind a carriage return
    b"*2\r\n$3\r\nGET\r\n$2\r\n\r\n\r\n",
    b"*2\r\n$3\r\nSET\r\n$9\r\na\r\n$1\r\nb\r\n",
    b"*1\r\n$7\r\na\r\n$1\r\n\r\n",
    b"*2\r\n$1\r\n\n\r\n$1\r\n\r\r\n",
    b"*1\r\n$0\r\n\r\n",
]
ERRORS = [b"*x\r\n", b"*1\r\n:1\r\n", b"*1\r\n$-1\r\n", b"*1\r\n$x\r\n", b"*1\r\nPING\r\n", b'"\r\n', b"*2000000\r\n"]
WORDS_FOR_TRUST = [encode_request([LOCK]), encode_request([UNLOCK, b"x"])]

plain_words = words.filter(lambda request: not any(b"\r\n" in word for word in request))
plain = st.one_of(plain_words.map(encode_request), st.sampled_from([encode_request([b"GET", b"k"])] * 3))
careful = st.sampled_from(NOT_PLAIN)
much = st.integers(8, 12).map(
    lambda count: encode_request([b"DEL"] * count)
)  # ten is what nobody has to be trusted for
anything = st.one_of(plain, words.map(encode_request), careful, much, st.sampled_from(WORDS_FOR_TRUST))
run = st.tuples(plain, st.integers(3, 6)).map(lambda drawn: drawn[0] * drawn[1])
valid = st.lists(st.one_of(anything, run), max_size=10).map(b"".join)
ends = st.one_of(st.just(b""), st.sampled_from(ERRORS), st.binary(max_size=20), plain.map(lambda data: data[:-1]))
streams = st.tuples(valid, ends, st.one_of(st.just(b""), valid)).map(b"".join)
tokens = st.lists(
    st.one_of(request_tokens, request_tokens, plain, st.sampled_from([*NOT_PLAIN, *WORDS_FOR_TRUST])), max_size=12
).map(b"".join)


@given(st.lists(plain, max_size=8), cuts)
def test_plain_requests_are_read_the_same(requests: list[bytes], cuts: list[int]) -> None:
    assert_the_same(b"".join(requests), cuts)


@given(st.one_of(streams, tokens, st.binary(max_size=60)), cuts, st.booleans())
@example(b"".join(NOT_PLAIN), [], True)
@example(encode_request([LOCK]) + encode_request([b"DEL"] * 11) + encode_request([b"GET", b"k"]), [], True)
@example(encode_request([LOCK]) * 2 + encode_request([UNLOCK]) * 2 + b"*1\r\n$4\r\nPIN", [], False)
def test_any_bytes_are_read_the_same(stream: bytes, cuts: list[int], trusted: bool) -> None:
    assert_the_same(stream, cuts, trusted)


@pytest.mark.parametrize("after", ERRORS)
def test_an_error_is_told_behind_all_requests_that_came_before_it(after: bytes) -> None:
    stream = encode_request([b"GET", b"k"]) * 3 + after + encode_request([b"GET", b"k"])
    found = read_as_connections_do([stream], RequestReader())
    assert found == read_by_gets([stream], RequestReader())
    assert len(found.requests) == 3
    assert found.error is not None


@given(st.one_of(streams, tokens), cuts, st.integers(0, 40))
def test_the_most_bytes_of_a_word_are_the_same(stream: bytes, cuts: list[int], most: int) -> None:
    assert_the_same(stream, cuts, max_bulk=most)


@given(st.one_of(streams, tokens), cuts)
def test_without_inline_commands_it_is_the_same(stream: bytes, cuts: list[int]) -> None:
    assert_the_same(stream, cuts, inline=False)


@given(st.lists(plain, min_size=1, max_size=8), st.lists(plain, max_size=3), st.integers(0, 9), st.integers(1, 9))
@example([encode_request([b"GET", b"k"])] * 8, [], 2, 3)
def test_what_is_given_back_is_read_again_before_all_else(
    first: list[bytes], later: list[bytes], kept: int, at_once: int
) -> None:
    stream = b"".join(first)
    expected = read_by_gets([stream, *later], RequestReader()).requests
    reader = RequestReader()
    reader.at_once = at_once
    reader.feed(stream)
    taken = reader.take()
    if isinstance(taken, Run):  # which is not run together
        reader.put_off(taken.requests())
        taken = listed(reader.take())
    assert taken == expected[: min(len(first), at_once)]
    reader.give_back(iter(taken[kept:]))
    found = taken[:kept]
    for piece in (b"", *later):
        if piece:
            reader.feed(piece)
        while (words := reader.gets()) is not None:
            found.append(words)
    assert found == expected
    assert reader.between_requests


def test_nothing_given_back_is_nothing_held() -> None:
    reader = RequestReader()
    reader.feed(encode_request([b"PING"]))
    assert reader.take() == [[b"PING"]]
    assert not reader.more
    reader.give_back([])
    assert not reader.more


@given(st.lists(plain, max_size=6), st.integers(0, 10_000))
def test_more_is_said_exactly_while_something_is_held(requests: list[bytes], cut: int) -> None:
    stream = b"".join(requests)
    cut %= len(stream) + 1
    ends = {sum(map(len, requests[:count])) for count in range(len(requests) + 1)}
    reader = RequestReader()
    assert not reader.more
    read_as_connections_do([stream[:cut]], reader)
    assert reader.more is (cut not in ends)
    read_as_connections_do([stream[cut:]], reader)
    assert not reader.more


# Work -----------------------------------------------------------------------------------------------------------------


class Counted(bytes):
    """Bytes that count how many of them were looked at or copied, by whatever is done to them."""

    touched = 0

    @classmethod
    def count(cls, data: bytes) -> Counted:
        Counted.touched += len(data)
        return cls(data)

    def __add__(self, other: bytes) -> Counted:
        return self.count(bytes(self) + bytes(other))

    def __radd__(self, other: bytes) -> Counted:
        return self.count(bytes(other) + bytes(self))

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return self.count(bytes(self)[key])
        Counted.touched += 1
        return bytes(self)[key]

    def split(self, *arguments: Any) -> list[bytes]:  # type: ignore[override]  # of its own kind
        Counted.touched += len(self)
        return [Counted(each) for each in bytes(self).split(*arguments)]

    def find(self, what: Any, start: int = 0, end: Optional[int] = None) -> int:  # type: ignore[override]  # enough
        stop = len(self) if end is None else end
        found = bytes(self).find(what, start, stop)
        Counted.touched += max(0, (stop if found < 0 else found + 1) - start)
        return found


def work(stream: bytes, size: int, *, trusted: bool = True) -> float:
    """Tell how many bytes are looked at for each byte of a stream that comes in pieces of one size."""
    Counted.touched = 0
    reader = RequestReader()
    drip = (Counted(stream[start : start + size]) for start in range(0, len(stream), size))
    read_as_connections_do(drip, reader, trusted)
    assert reader.between_requests
    return Counted.touched / len(stream)


GET = encode_request([b"GET", b"key"])
SHAPES = {
    "plain": lambda count: GET * count,
    "one with many words": lambda count: encode_request([b"MGET", *[b"key"] * (3 * count)]),
    "one with many words behind plain ones": lambda count: GET * 10 + encode_request([b"DEL", *[b"k"] * count]),
    "plain and not plain by turns": lambda count: (GET + b"GET key\r\n") * count,
    "not whole until the end": lambda count: encode_request([b"SET", b"key", b"\r\n" * (3 * count)]),
    "a word with many line ends by turns": lambda count: (GET + encode_request([b"SET", b"k", b"\r\n"])) * count,
    "empty lines": lambda count: b"\r\n" * (3 * count),
}


@pytest.mark.pure
@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 30])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.every(9)
def test_more_bytes_are_no_more_work_each_however_slowly_they_drip(shape: str, size: int) -> None:
    once, often = (work(SHAPES[shape](count), size) for count in (1200, 4800))
    assert often < 1.5 * max(once, 2)  # a portion of many bytes is cut out, which takes one more look at each
    assert often < 20


@pytest.mark.pure
@pytest.mark.parametrize("size", [1, 1000, 1 << 30])
def test_who_is_not_trusted_makes_no_more_work(size: int) -> None:
    once, often = (work(GET * count, size, trusted=False) for count in (300, 1200))
    assert often < 1.5 * once


@given(st.one_of(st.binary(max_size=60), st.lists(request_tokens, max_size=12).map(b"".join)), st.integers(0, 3))
@example(b"*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$100000\r\n", 0)
@example(b"*100000\r\n", 0)
@example(b"*2\r\n$1\r\na\r\n", 0)
@example(b"*1\r\n+OK\r\n", 0)
@example(b"*1\r\n$x\r\n", 0)
@example(b"*0\r\n", 0)
@example(b"*1\r\n$4\r\nPIN", 0)
@example(b"*1\r\n$4\r\nPING\r", 0)
@example(b"*1x\r\n", 0)
@example(b"*1\r\n$1x\r\na\r\n", 0)
@example(b"*1\r\n$01\r\na\r\n", 0)
@example(b"*10\r\n" + b"$10\r\n0123456789\r\n" * 10, 0)
@example(b"*1\r\n$3\r\na\r\n\r\n*1\r\n$1\r\nb\r\n", 0)
def test_both_ways_to_take_plain_requests_give_a_beginning_of_what_the_careful_reader_gives(
    stream: bytes, start: int
) -> None:
    for take in (by_lines, by_bytes):
        found, end = take(b"x" * start + stream, start)
        requests = listed(found)
        if isinstance(found, Run):
            assert found.encoded == b"".join(map(encode_request, requests)) == stream[: end - start]
        careful = read_by_gets([stream[: end - start]], RequestReader())
        assert careful == Outcome(requests, None)
        behind = read_by_gets([stream[end - start :]], RequestReader())
        assert read_by_gets([stream], RequestReader()) == Outcome(requests + behind.requests, behind.error)


@given(st.lists(st.lists(st.binary(max_size=30).filter(lambda word: b"\r" not in word), min_size=1, max_size=12)))
def test_both_ways_take_all_that_is_plain(requests: list[Request]) -> None:
    stream = b"".join(map(encode_request, requests))
    for take in (by_lines, by_bytes):
        taken, end = [], 0
        while end < len(stream):
            found, end = take(stream, end)
            taken += listed(found)
        assert taken == requests


few_words = st.one_of(st.binary(max_size=12), st.sampled_from([b"\r\n", b"x" * 1023, b"x" * 9999]))


@given(st.data())
def test_both_ways_find_runs(data: st.DataObject) -> None:
    width = data.draw(st.integers(1, 8))
    name = data.draw(st.sampled_from([b"GET", b"set", b"INCR", b"GETRANGE"]))
    rows = data.draw(st.lists(st.lists(few_words, min_size=width, max_size=width), min_size=LEAST_RUN, max_size=9))
    requests = [[name, *row] for row in rows]
    stream = b"".join(map(encode_request, requests))
    end = data.draw(st.sampled_from([b"", encode_request([b"PING"]), stream[: data.draw(st.integers(0, len(stream)))]]))
    for take in (by_lines, by_bytes):
        found, stop = take(stream + end, 0)
        taken = listed(found)
        assert taken == (requests + requests)[: len(taken)]
        assert stop == sum(len(encode_request(request)) for request in taken)
        if not any(b"\r\n" in word for row in rows for word in row) or take is by_bytes:
            assert isinstance(found, Run)
            assert found.count >= len(requests)
            assert found.requests(2) == taken[2:]


@pytest.mark.parametrize("take", [by_lines, by_bytes])
@pytest.mark.parametrize(
    "odd",
    [
        b"*2\r\n$3\r\nGET\r\n$1\r\nk\rx",
        b"*2\r\n$3\r\nGET\r\n$1\rxk\r\n",
        b"*2\r\n$3\r\nGET\r\n$01\r\nk\r\n",
        b"*2\r\n$3\r\nGET\r\n$2\r\nk\r\n",
        b"*2\r\n$3\r\nGET\r\n$x\r\nk\r\n",
        b"*2\r\n$3\r\nGET\r\n$99999999\r\nk\r\n",
        b"*2\r\n$3\r\nSET\r\n$1\r\nk\r\n",
        b"*2\r\n$3\r\nGET\rx$1\r\nk\r\n",
        b"*2\r\n$03\r\nGET\r\n$1\r\nk\r\n",
        b"*2\r\n$3\r\nGET",
    ],
)
def test_a_run_ends_before_a_request_in_another_form(odd: bytes, take: TakePlain) -> None:
    get = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
    found, stop = take(9 * get + odd + get, 0)
    assert isinstance(found, Run)
    assert (found.count, found.encoded, stop) == (9, 9 * get, 9 * len(get))
    found, stop = take(2 * get + odd + 5 * get, 0)
    assert not isinstance(found, Run)
    assert stop >= 2 * len(get)
    found, _ = take(odd + 5 * get, 0)
    assert not isinstance(found, Run)
