"""Raw bytes, right and wrong: what comes back, and whether the connection ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .generated import thorough
from .servers import BothServers, encode

pytestmark = pytest.mark.peer

PING = b"*1\r\n$4\r\nPING\r\n"

RIGHT = [
    b"",
    PING,
    PING * 3,
    b"PING\r\n",
    b"PING\n",
    b"ping\n",
    b"\r\n",
    b"\n\n\r\nPING\r\n",
    b"   \r\nPING\r\n",
    b"\t\r\nPING\r\n",
    b"*0\r\n" + PING,
    b"*-1\r\n" + PING,
    b"*-10\r\n" + PING,
    b"*-9223372036854775808\r\n" + PING,
    b"PING hello\r\n",
    b"  PING   hello  \r\n",
    b"PING 'hello world'\r\n",
    b'PING "hello world"\r\n',
    b'PING "a\\x41\\n\\r\\t\\b\\a\\\\\\"\\q"\r\n',
    b'PING "\\x4"\r\n',
    b'PING "\\xZZ"\r\n',
    b"PING 'it\\'s \\n'\r\n",
    b"PING ''\r\n",
    b'PING ""\r\n',
    b'PI"NG"\r\n',
    b"PI'NG' \r\n",
    b'ECHO a"b c"\r\n',
    b"ECHO a\x0bb\r\n",
    b"ECHO\x0ca\r\n",
    b"\x0bECHO a\r\n",
    b"ECHO\ta\r\n",
    b"ECHO \x80\xff\r\n",
    b"ECHO a\rb\r\n",
    b"ECHO a\r\r\n",
    b"QUIT\r\nPING\r\n",
    b"QUIT now please\r\nPING\r\n",
    PING + b"*1\r\n$4\r\nQUIT\r\n" + PING,
    b"*1\r\n$4\r\nPINGxx" + PING,
    b"*1\r\n$4\r\nPING\n\n" + PING,
    b"*1\rx$4\ryPING\r\n" + PING,
    b"*1\r\n$0\r\n\r\n",
    b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n",
    b"*2\r\n$4\r\nECHO\r\n$3\r\n\r\n\x00\r\n",
    b"*1\r\n$5\r\nHELLO\r\n"[:-1],
    b"*1\r\n",
    b"*",
    b"*1",
    b"*1\r",
    b"$",
    b"PING",
    b"ECHO " + b"x" * 40_000 + b"\r\n",
    encode(("ECHO", b"y" * 100_000)),
    encode(("ECHO", b"z" * 40_000)) + PING,
    encode(("MGET", *range(2_000))),
    b"x" * 60_000,
    b"x" * 65_536,
]

WRONG = [
    b"*1000000000000\r\n",
    b"*1048576\r\n",
    b"*2147483648\r\n",
    b"*9223372036854775807\r\n",
    b"*9223372036854775808\r\n",
    b"*abc\r\n",
    b"*\r\n",
    b"* 1\r\n",
    b"*1 \r\n",
    b"*+1\r\n",
    b"*01\r\n",
    b"*-0\r\n",
    b"*1.0\r\n",
    b"*1\n$4\r\nPING\r\n",
    b"*1\r\n$-1\r\n",
    b"*1\r\n$-2\r\n",
    b"*1\r\n$abc\r\n",
    b"*1\r\n$\r\n",
    b"*1\r\n$04\r\nPING\r\n",
    b"*1\r\n$+4\r\nPING\r\n",
    b"*1\r\n$536870913\r\n",
    b"*1\r\n$536870912\r\n",
    b"*1\r\n$9223372036854775808\r\n",
    b"*1\r\nPING\r\n",
    b"*1\r\n:4\r\nPING\r\n",
    b"*1\r\n\r\nPING\r\n",
    b"*1\r\n\xff\r\n",
    b"*1\r\nx",
    b"*1\r\n*1\r\n",
    b"*2\r\n$4\r\nPING\r\nPING\r\n",
    PING + b"*x\r\n" + PING,
    b"PING 'a\r\n" + PING,
    b'PING "a\r\n' + PING,
    b'PING "a"b\r\n' + PING,
    b"PING 'a'b\r\n" + PING,
    b"PING a'\r\n",
    b'"\r\n',
    b'PING "a\\"\r\n',
    b"PING 'a\\'\r\n",
    b"x" * 65_537,
    b"x" * 70_000,
    b"x" * 70_000 + b"\r\n",
    b"*" + b"1" * 65_535,
    b"*" + b"1" * 70_000,
    b"*1\r\n$" + b"1" * 70_000,
    b"*1\r\n" + b"x" * 70_000,
    b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nPING\r\n",
    b"post\r\nPING\r\n",
    b"Post x\r\nPING\r\n",
    b"host: x\r\nPING\r\n",
    b"HOST:\r\nPING\r\n",
    b"Host :\r\nPING\r\n",
    b"Host:x\r\nPING\r\n",
    encode(("POST", "/")) + PING,
    encode(("Host:",)) + PING,
]

ATTACKS_BEHIND_REQUESTS = [
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /\r\nHost: localhost\r\nPING\r\n",
    PING + b"POST\r\n" + PING,
]

NULS = [
    b"PING\x00junk\r\n",
    b"\x00PING\r\nPING\r\n",
    b"PING \x00\r\n" + PING,
    b"ECHO a\x00'\r\nPING\r\n",
    b"ECHO 'a\x00b'\r\n",
    b"ECHO a\r\nPING \x00\r\n" + PING,
    b"*\x001\r\n" + PING,
    b"*1\x00\r\n" + PING,
    b"*1\r\n\x00\r\n" + PING,
    b"*1\r\n$4\x00\r\nPING\r\n",
    encode(("POST\0", "x")) + PING,
    encode(("Host:\0",)) + PING,
    b"PING\x00" + b"x" * 70_000,
    b"*\x00" + b"x" * 70_000,
]
"""C's strings end at a NUL: Redis finds no end of a line behind it, and waits until the line is too long."""


@pytest.mark.parametrize("data", RIGHT)
def test_a_stream_gets_the_same_replies(both: BothServers, data: bytes) -> None:
    both.stream(data)


@pytest.mark.parametrize("data", WRONG)
def test_what_is_no_request_gets_the_same_error(both: BothServers, data: bytes) -> None:
    both.stream(data)


@pytest.mark.parametrize("data", RIGHT + WRONG)
def test_the_same_holds_for_a_client_of_resp3(both: BothServers, data: bytes) -> None:
    both.stream(data, before=encode(("HELLO", 3)))


@pytest.mark.parametrize("data", ATTACKS_BEHIND_REQUESTS)
def test_an_attack_takes_the_replies_before_it_along(both: BothServers, data: bytes) -> None:
    both.stream(data)


@pytest.mark.parametrize("data", NULS)
def test_a_nul_hides_what_is_behind_it(both: BothServers, data: bytes) -> None:
    both.stream(data)


@pytest.mark.parametrize("data", RIGHT + WRONG)
def test_bytes_that_come_one_by_one_get_the_same_replies(both: BothServers, data: bytes) -> None:
    if len(data) < 100:
        both.stream(data, piece=1)
    else:
        both.stream(data, piece=len(data) // 3)


pieces = st.one_of(
    st.sampled_from(
        [
            b"*1\r\n",
            b"*2\r\n",
            b"*0\r\n",
            b"*-1\r\n",
            b"$4\r\n",
            b"$0\r\n",
            b"$3\r\n",
            b"$-1\r\n",
            b"PING",
            b"ECHO",
            b"abc",
            b"\r\n",
            b"\n",
            b"\r",
            b" ",
            b'"',
            b"'",
            b"\\",
            b"\\x41",
            b"\x0b",
            b"x",
            b"*",
            b"$",
            b"1",
            b"-",
        ]
    ),
    st.binary(max_size=3).filter(lambda data: b"\0" not in data),
)


@thorough
@given(data=st.lists(pieces, max_size=12).map(b"".join))
def test_any_bytes_get_the_same_replies(servers: BothServers, data: bytes) -> None:
    servers.begin()
    servers.stream(data)


@thorough
@given(line=st.text("ab \t'\"\\xn4\x0b\x0c\r", max_size=14))
def test_any_line_is_cut_into_the_same_words(servers: BothServers, line: str) -> None:
    servers.begin()
    servers.stream(b"MGET " + line.encode() + b"\r\nPING\r\n")


@thorough
@given(line=st.text("ab \t'\"\\xn4\x0b\x0c\r", max_size=14))
def test_the_words_of_a_line_come_back_unchanged(servers: BothServers, line: str) -> None:
    servers.begin()
    servers.stream(b"FLY " + line.encode() + b"\r\nECHO " + line.encode() + b"\r\nPING\r\n")
