"""Requests are read however they are cut, and what is refused is refused in Redis 7.0.15's own words."""

from __future__ import annotations

import pytest

from tests.sockets.parsing import assert_reads_alike, one_by_one, peak_of, read
from twisted_kv.vocabulary.errors import ProtocolError
from twisted_kv.wire.encoder import encode_request
from twisted_kv.wire.plain_requests import listed
from twisted_kv.wire.requests import MAX_ARGUMENTS, MAX_LINE, PORTION, RequestReader

PING = b"*1\r\n$4\r\nPING\r\n"
TAIL = (b"*2\r\n$4\r\nECHO\r\n$1\r\nx\r\n", [b"ECHO", b"x"])
EVERY_BYTE = bytes(range(256))


@pytest.mark.parametrize(
    ("stream", "requests"),
    [
        (b"", []),
        (PING, [[b"PING"]]),
        (PING + PING, [[b"PING"], [b"PING"]]),
        (b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n", [[b"SET", b"k", b""]]),
        (b"*1\r\n$0\r\n\r\n", [[b""]]),
        (b"*2\r\n$4\r\nECHO\r\n$4\r\n\r\n\r\n\r\n", [[b"ECHO", b"\r\n\r\n"]]),
        (b"*2\r\n$4\r\nECHO\r\n$256\r\n" + EVERY_BYTE + b"\r\n", [[b"ECHO", EVERY_BYTE]]),
        (b"*2\r\n$4\r\nECHO\r\n$1500\r\n" + b"v" * 1500 + b"\r\n", [[b"ECHO", b"v" * 1500]]),
        (b"*11\r\n" + b"$1\r\na\r\n" * 11, [[b"a"] * 11]),
        (b"*0\r\n" + PING, [[b"PING"]]),
        (b"*-1\r\n" + PING, [[b"PING"]]),
        (b"*-10\r\n" + PING, [[b"PING"]]),
        # As Redis: the byte behind a carriage return and the two behind a bulk string are not looked at.
        (b"*1\rx$4\rxPINGxx", [[b"PING"]]),
        (b"*1\r\n$4\r\nPINGxxPING\r\n", [[b"PING"], [b"PING"]]),
    ],
)
def test_arrays_are_read_however_they_are_cut(stream: bytes, requests: list[list[bytes]]) -> None:
    assert_reads_alike(RequestReader, stream, requests, more=TAIL)


@pytest.mark.parametrize(
    ("stream", "requests"),
    [
        (b"PING\r\n", [[b"PING"]]),
        (b"PING\n", [[b"PING"]]),
        (b"\r\n\n  \n \t \r\nPING\n", [[b"PING"]]),
        (b"SET  k\tv \r\n", [[b"SET", b"k", b"v"]]),
        (b"\vPING\r\n", [[b"PING"]]),
        (b"ECHO \v\f\r\n", [[b"ECHO"]]),
        (b"ECHO \xff\xfe\r\n", [[b"ECHO", b"\xff\xfe"]]),
        (b'ECHO "\xff\\x00\\n"\r\n', [[b"ECHO", b"\xff\x00\n"]]),
        (b"ECHO 'a\\'b\\n'\r\n", [[b"ECHO", b"a'b\\n"]]),
        (b"ECHO '' \"\"\r\n", [[b"ECHO", b"", b""]]),
        (b'""\r\n', [[b""]]),
        (b"ECHO a\r\r\n", [[b"ECHO", b"a"]]),
        (b"ECHO a\rb\n", [[b"ECHO", b"a", b"b"]]),
        (b"$4\r\nPING\r\n", [[b"$4"], [b"PING"]]),
        (b":1\r\n", [[b":1"]]),
        (b"PING\r\n" + PING + b"PING x\n", [[b"PING"], [b"PING"], [b"PING", b"x"]]),
        (PING[:-2] + PING, [[b"PING"], [b"$4"], [b"PING"]]),  # a missing CRLF: the next request's head is taken for it
    ],
)
def test_inline_commands_are_read_however_they_are_cut(stream: bytes, requests: list[list[bytes]]) -> None:
    assert_reads_alike(RequestReader, stream, requests, more=TAIL)


@pytest.mark.parametrize(
    ("stream", "error"),
    [
        (b"*\r\n", "invalid multibulk length"),
        (b"*abc\r\n", "invalid multibulk length"),
        (b"*+1\r\n", "invalid multibulk length"),
        (b"*01\r\n$4\r\nPING\r\n", "invalid multibulk length"),
        (b"* 1\r\n", "invalid multibulk length"),
        (b"*1 \r\n", "invalid multibulk length"),
        (b"*1.0\r\n", "invalid multibulk length"),
        (b"*1_0\r\n", "invalid multibulk length"),
        (b"*-0\r\n", "invalid multibulk length"),
        (b"*\xff\r\n", "invalid multibulk length"),
        (b"*1048577\r\n", "invalid multibulk length"),
        (b"*2147483648\r\n", "invalid multibulk length"),
        (b"*9223372036854775807\r\n", "invalid multibulk length"),
        (b"*99999999999999999999999\r\n", "invalid multibulk length"),
        (b"*1\r\n$\r\n", "invalid bulk length"),
        (b"*1\r\n$abc\r\n", "invalid bulk length"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$-2\r\n", "invalid bulk length"),
        (b"*1\r\n$+4\r\nPING\r\n", "invalid bulk length"),
        (b"*1\r\n$04\r\nPING\r\n", "invalid bulk length"),
        (b"*1\r\n$\xff\r\n", "invalid bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"*1\r\n$99999999999999999999999\r\n", "invalid bulk length"),
        (b"*1\r\n*1\r\n$4\r\nPING\r\n", "expected '$', got '*'"),
        (b"*1\r\n:1\r\n", "expected '$', got ':'"),
        (b"*1\r\n+OK\r\n", "expected '$', got '+'"),
        (b"*1\r\nPING\r\n", "expected '$', got 'P'"),
        (b"*1\r\n\r\n", "expected '$', got '\r'"),
        (b"*1\r\n\xff\r\n", "expected '$', got '\udcff'"),
        (b'ECHO "a\r\n', "unbalanced quotes in request"),
        (b"ECHO 'a\r\n", "unbalanced quotes in request"),
        (b'ECHO "a"b\r\n', "unbalanced quotes in request"),
        (b'ECHO a"b\r\n', "unbalanced quotes in request"),
        (b"ECHO a'b'c\r\n", "unbalanced quotes in request"),
        (b'ECHO "a\\"\r\n', "unbalanced quotes in request"),
        (b"ECHO 'a\\'\r\n", "unbalanced quotes in request"),
    ],
)
def test_what_is_no_request_is_refused_in_the_words_of_redis(stream: bytes, error: str) -> None:
    assert_reads_alike(RequestReader, stream, [], error, more=TAIL)
    assert_reads_alike(RequestReader, PING + stream, [[b"PING"]], error, more=TAIL)


@pytest.mark.parametrize(
    "stream",
    [
        b"*",
        b"*1",
        b"*1\r",
        b"*1\n$4\nPING\n",
        b"*1\r\n",
        b"*1\r\n$",
        b"*1\r\n$4\r",
        b"*1\r\n$4\r\n",
        b"*1\r\n$4\r\nPING",
        b"*1\r\n$4\r\nPING\r",
        b"*1\r\nPING",  # a wrong byte is told when its line has come
        b"*1048576\r\n",
        b"*1\r\n$536870912\r\n",
        b"PING",
        b"PING\r",
        b'ECHO "a\\',
    ],
)
def test_a_request_that_is_not_whole_is_waited_for(stream: bytes) -> None:
    assert_reads_alike(RequestReader, stream, [])


@pytest.mark.parametrize("line", [b"PI\x00NG\r\n", b"SET k a\x00b\r\n", b"\x00PING\n"])
def test_an_inline_line_with_a_nul_is_never_taken_for_a_shorter_one(line: bytes) -> None:
    assert_reads_alike(RequestReader, line, [])  # Redis looks for the line feed no further than a NUL, and waits
    assert read(RequestReader(), [line + b"x" * MAX_LINE]) == ([], "too big inline request")


@pytest.mark.parametrize(
    ("head", "error"),
    [
        (b"", "too big inline request"),
        (b"*", "too big mbulk count string"),
        (b"*1\r\n$", "too big bulk count string"),
        (b"*1\r\n", "too big bulk count string"),
    ],
)
def test_a_line_that_does_not_end_is_refused_after_64_kib(head: bytes, error: str) -> None:
    start = head.rfind(b"\n") + 1
    most = head + b"1" * (MAX_LINE - len(head) + start)
    for pieces in ([most], one_by_one(most)):
        reader = RequestReader()
        assert read(reader, pieces) == ([], None)
        assert read(reader, [b"1"]) == ([], error)


def test_a_line_of_64_kib_is_read() -> None:
    line = b"ECHO " + b"x" * (MAX_LINE - 5)
    assert read(RequestReader(), [line, b"\n"]) == ([[b"ECHO", b"x" * (MAX_LINE - 5)]], None)


@pytest.mark.parametrize("stream", [b"*1048576\r\n", b"*1\r\n$104857600\r\n", b"*1\r\n$536870912\r\nabc"])
def test_what_is_only_announced_takes_no_memory(stream: bytes) -> None:
    reader = RequestReader()
    outcomes = []
    assert peak_of(lambda: outcomes.append(read(reader, [stream]))) < 1_000_000
    assert outcomes == [([], None)]


def test_a_request_of_a_million_arguments_is_read() -> None:
    words = [b"DEL"] + [b"k%d" % (number % 1000) for number in range(999_999)]
    stream = encode_request(words)
    pieces = [stream[at : at + 65_536] for at in range(0, len(stream), 65_536)]
    assert read(RequestReader(), pieces) == ([words], None)


def test_the_most_arguments_are_1_048_576() -> None:
    assert MAX_ARGUMENTS == 1_048_576
    assert read(RequestReader(), [b"*1048576\r\n"]) == ([], None)
    assert read(RequestReader(), [b"*1048577\r\n"]) == ([], "invalid multibulk length")


def test_a_long_bulk_string_is_put_together_from_its_pieces() -> None:
    words = [b"SET", b"k", bytes(range(256)) * 16_384]
    stream = encode_request(words) + PING
    for size in (1_000, 65_536, len(stream) - 20):
        pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
        assert read(RequestReader(), pieces) == ([words, [b"PING"]], None)


def test_pieces_of_a_bulk_string_may_be_asked_after_as_often_as_one_likes() -> None:
    reader = RequestReader()
    reader.feed(b"*1\r\n$10\r\n01")
    assert [reader.gets(), reader.gets()] == [None, None]
    reader.feed(b"234")
    assert [reader.gets(), reader.gets()] == [None, None]
    reader.feed(b"")
    assert reader.gets() is None
    reader.feed(b"56789\r\n")
    assert reader.gets() == [b"0123456789"]
    assert reader.gets() is None


def test_pending_counts_the_bytes_that_belong_to_no_whole_request() -> None:
    reader = RequestReader()
    assert reader.pending == 0
    reader.feed(PING + b"*2\r\n$4\r\nECHO\r\n$10\r\n01")
    assert reader.gets() == [b"PING"]
    assert reader.gets() is None
    assert reader.pending == 4 + 2
    reader.feed(b"234")
    assert reader.pending == 4 + 5
    reader.feed(b"56789\r\n")
    assert reader.gets() == [b"ECHO", b"0123456789"]
    assert reader.pending == 0


def test_who_has_not_given_the_password_may_announce_little() -> None:
    def outcome(stream: bytes) -> str | None:
        reader = RequestReader()
        reader.authenticated = False
        return read(reader, [stream])[1]

    assert outcome(b"*10\r\n$16384\r\n") is None
    assert outcome(b"*11\r\n") == "unauthenticated multibulk length"
    assert outcome(b"*1\r\n$16385\r\n") == "unauthenticated bulk length"
    assert outcome(b"*1048577\r\n") == "unauthenticated multibulk length"
    assert outcome(b"*1\r\n$536870913\r\n") == "invalid bulk length"


def test_the_password_may_come_between_two_requests() -> None:
    reader = RequestReader()
    reader.authenticated = False
    reader.feed(PING + b"*11\r\n" + b"$1\r\na\r\n" * 11)
    assert reader.gets() == [b"PING"]
    reader.authenticated = True
    assert reader.gets() == [b"a"] * 11


def test_the_most_bytes_of_an_argument_can_be_set() -> None:
    assert read(RequestReader(3), [b"*1\r\n$3\r\nabc\r\n"]) == ([[b"abc"]], None)
    assert read(RequestReader(3), [b"*1\r\n$4\r\nabcd\r\n"]) == ([], "invalid bulk length")


@pytest.mark.parametrize("stream", [b"PING\r\n", b"x", b"\n", b"$4\r\n"])
def test_without_inline_commands_only_arrays_are_read(stream: bytes) -> None:
    assert_reads_alike(lambda: RequestReader(inline=False), PING, [[b"PING"]], more=TAIL)
    reader = RequestReader(inline=False)
    reader.feed(PING + stream)
    assert reader.gets() == [b"PING"]
    with pytest.raises(ProtocolError, match="expected an array"):
        reader.gets()


def test_what_comes_while_much_is_unread_is_not_copied_with_each_piece() -> None:
    reader = RequestReader()
    pieces = [encode_request([b"SET", b"k%d" % number, b"v" * 100]) * 100 for number in range(300)]
    for piece in pieces:
        reader.feed(piece)
    unread = sum(map(len, pieces))
    assert reader.pending == unread
    assert peak_of(lambda: reader.feed(b"PING\r\n")) < unread // 10


def test_what_was_held_is_read_in_its_order_behind_what_stood_before() -> None:
    reader = RequestReader()
    numbers = iter(range(150_000))
    expected, got = [], []
    for _ in range(30):  # more comes than is read, and then all of it is
        for _ in range(10):
            words = [[b"ECHO", b"%d" % next(numbers)] for _ in range(500)]
            expected += words
            stream = b"".join(map(encode_request, words)) + b"PING\r\n"
            expected.append([b"PING"])
            reader.feed(stream[:1000])
            reader.feed(stream[1000:])
        taken = listed(reader.take())
        reader.give_back(taken[5:])
        got += taken[:5]
        got += filter(None, [reader.gets()])
    assert reader.pending > PORTION
    while (words_ := reader.gets()) is not None:
        got.append(words_)
    assert got == expected
    assert reader.between_requests


WORDS = [b"", b"v", b"two\r\nlines", b"$3\r\nabc\r\n", b"x" * 1023, b"x" * 1024, b"x" * 5000, b"\r\n", b"\r", b"\n$1"]


@pytest.mark.parametrize("size", [1, 7, 100, 4096, 1 << 20])
def test_many_words_are_read_whatever_they_hold(size: int) -> None:
    expected = [[b"MSET", *[WORDS[number * number % step % len(WORDS)] for number in range(90)]] for step in (2, 7, 97)]
    expected.append(
        [b"MSET", *[b"%d" % number for number in range(500)], *WORDS, *[b"%d" % number for number in range(50)]]
    )
    stream = b"".join(map(encode_request, expected))
    reader, got = RequestReader(), []
    for start in range(0, len(stream), size):
        reader.feed(stream[start : start + size])
        while (words := reader.gets()) is not None:
            got.append(words)
    assert got == expected
    assert reader.between_requests


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b"$x\r\nab\r\n", "invalid bulk length"),
        (b"$-1\r\n", "invalid bulk length"),
        (b"$01\r\nv\r\n", "invalid bulk length"),
        (b"\r\n" + b"x" * 1500 + b"\r\n", "expected '\\$', got '\r'"),
        (b":1\r\n", "expected '\\$', got ':'"),
        (b"\r\nab\r\n", "expected '\\$', got '\r'"),
    ],
)
def test_what_is_wrong_among_many_words_is_told(bad: bytes, why: str) -> None:
    for place in (0, 1, 20, 150, 199):
        words = [b"$1\r\nv\r\n"] * 200
        words[place] = bad
        reader = RequestReader()
        reader.feed(b"*200\r\n" + b"".join(words))
        with pytest.raises(ProtocolError, match=why):
            reader.gets()


@pytest.mark.pure
@pytest.mark.parametrize("odd", [b"two\r\nlines", b"x" * 1100])
@pytest.mark.parametrize("every", [1, 20])
def test_odd_words_among_many_are_no_more_work_each(odd: bytes, every: int) -> None:
    """The bytes behind an odd word were once looked at again for each of them."""
    looked_at = []

    class Watched(RequestReader):
        def _read_short_arguments(self, glance: int) -> tuple[int, bool]:
            looked_at.append(min(glance, len(self._buffer) - self._at))
            return super()._read_short_arguments(glance)

    words = [b"MSET", *[odd if number % every == 0 else b"v" for number in range(4_000)]]
    reader = Watched()
    stream = encode_request(words)
    for start in range(0, len(stream), 4 * PORTION):
        reader.feed(stream[start : start + 4 * PORTION])
        got = reader.gets()
    assert got == words
    assert sum(looked_at) < 8 * len(stream) + 100_000


def test_plain_requests_behind_what_waited_are_taken_together() -> None:
    reader = RequestReader()
    requests = [[b"GET", b"%d" % number] for number in range(20_000)]
    stream = b"".join(map(encode_request, requests))
    for start in range(0, len(stream), 10_000):
        reader.feed(stream[start : start + 10_000])
    taken = listed(reader.take())
    reader.give_back(taken[1:])
    got, alone = taken[:1], 0
    while portion := listed(reader.take()) or reader.take_one():
        alone += len(portion) == 1
        got += portion
    assert got == requests
    assert alone < 4_000  # those of the first portion, and no more


def test_what_is_put_off_comes_first_again() -> None:
    reader = RequestReader()
    requests = [[b"GET", b"%d" % number] for number in range(9)]
    reader.feed(b"".join(map(encode_request, requests)))
    reader.at_once = 5
    taken = listed(reader.take())
    reader.put_off(taken[2:])
    assert reader.more
    reader.at_once = 2
    got = taken[:2]
    while portion := listed(reader.take()) or reader.take_one():
        got += portion
    assert got == requests
    assert not reader.more


def test_among_many_words_none_may_be_longer_than_the_limit() -> None:
    reader = RequestReader(100)
    reader.feed(encode_request([b"v" * 50] * 100 + [b"v" * 101]))
    with pytest.raises(ProtocolError, match="invalid bulk length"):
        reader.gets()


def test_plain_requests_are_taken_together_however_much_has_come() -> None:
    reader = RequestReader()
    expected = [[b"ECHO", b"%d" % number] for number in range(PORTION // 4)]
    reader.feed(b"".join(map(encode_request, expected)))
    got = []
    while requests := listed(reader.take()):
        got += requests
    assert got == expected


@pytest.mark.parametrize("size", [PORTION, 3 * PORTION])
@pytest.mark.parametrize("come", [10, PORTION])
def test_the_rest_of_a_long_word_may_be_held_while_much_before_it_is_unread(size: int, come: int) -> None:
    before = [[b"ECHO", b"%d" % number] for number in range(PORTION // 20)]
    expected = [*before, [b"SET", b"key", b"v" * size]]
    stream = b"".join(map(encode_request, expected))
    cut = len(stream) - size + come
    reader = RequestReader()
    reader.feed(stream[:cut])
    for at in range(cut, len(stream), 1000):
        reader.feed(stream[at : at + 1000])
    got = []
    while (words := reader.gets()) is not None:
        got.append(words)
    assert got == expected
    assert reader.between_requests


@pytest.mark.parametrize("start", [b"*", b"$", b"*1\r\n$", b"PING "])
@pytest.mark.parametrize("pieces", [(b"1\r", b"\n"), (b"1", b"\r", b"\n"), (b"\r\n",), (b"\n",), (b"",)])
def test_a_long_line_that_ends_in_other_pieces_is_read_or_refused(start: bytes, pieces: tuple[bytes, ...]) -> None:
    """A line as long as a portion was once looked at for ever."""
    for size in (65_533, 65_534, 65_535, 65_536):
        reader = RequestReader()
        try:
            for piece in (start + b"0" * size, *pieces):
                reader.feed(piece)
                while reader.more and not listed(reader.take()) and reader.gets() is not None:
                    pass
        except ProtocolError:
            continue


def test_what_has_come_before_requests_are_given_back_comes_behind_them() -> None:
    reader = RequestReader()
    numbered = [[b"GET", b"%d" % number] for number in range(12)]
    reader.feed(b"".join(map(encode_request, numbered[:10])))
    given = iter(listed(reader.take()))
    assert next(given) == numbered[0]
    reader.feed(b"".join(map(encode_request, numbered[10:])))  # as while others have their turn
    reader.give_back(given)
    found = []
    while (words := reader.gets()) is not None:
        found.append(words)
    assert found == numbered[1:]
    assert reader.between_requests
