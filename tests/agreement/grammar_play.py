"""Plays what a grammar wrote to both servers, less what cannot be compared; finds the shortest that they differ in."""

from __future__ import annotations

import re
from typing import Callable, Sequence

from .accepted import ACCEPTED, MILLISECONDS, nearly
from .events import Listener
from .grammar import Words
from .grammar_words import ALL_KEYS, QUICK
from .replies import as_bytes
from .servers import BothServers, difference

NO_DOUBLE = b"-ERR One or more scores can't be converted into double\r\n"

_DATES = (b"EXPIRETIME", b"PEXPIRETIME")
_SORTS = (b"SORT", b"SORT_RO")
_NAMED_AS_SENT = {b"GEOSEARCH", b"GEOSEARCHSTORE", *_SORTS}
_UNSURE = {as_bytes(each.request.split()[0]) for each in ACCEPTED} - _NAMED_AS_SENT | {*_DATES, b"DBSIZE"}
"""What is left out of transactions, since EXEC tells all in one reply, which is compared byte for byte."""

_TIME_IS_LAST = (b"BLPOP", b"BRPOP", b"BZPOPMIN", b"BZPOPMAX", b"BLMOVE", b"BRPOPLPUSH", b"WAIT")
_TIME_IS_FIRST = (b"BLMPOP", b"BZMPOP")
_TIME_IS_SECOND = (b"EXPIRE", b"PEXPIRE", b"SETEX", b"PSETEX", b"RESTORE")
_SOON = {b"EX": 100_000, b"PX": 100_000, b"EXAT": 2**32, b"PXAT": 2**42}
"""Times in SET and GETEX that may come, or have come, while a key is still counted by one of the servers."""

_NUMBER = re.compile(rb"#?([-+]?\d+)\Z")
_LIKE_A_NUMBER = re.compile(rb"\s*[-+]?[\d.]")


def play(both: BothServers, requests: Sequence[Words], resp: int) -> list[tuple[Words, bytes]]:
    """Send requests to both servers, and compare what they hold in the end; gives what was said, with the replies."""
    both.begin(resp)
    return _play(both, requests, None)


def play_listening(both: BothServers, requests: Sequence[Words], resp: int) -> None:
    """Do the same as `play`, and compare the keyspace events of each request."""
    both.begin(resp)
    listener = Listener(both)
    try:
        _play(both, requests, listener)
    finally:
        listener.close()


def _play(both: BothServers, requests: Sequence[Words], listener: Listener | None) -> list[tuple[Words, bytes]]:
    queued = False
    heard: list[tuple[Words, bytes]] = []
    for request in requests:
        if not _is_comparable(both, request, queued=queued):
            continue
        name = request[0].upper()
        if listener is not None:
            listener.forget()  # what was asked to find out whether it is comparable
        reply = _ask(both, request)
        if listener is not None:
            listener.compare(in_any_order=name in _SORTS)  # a sorted set is walked over as a hash table
        heard.append((request, reply))
        if name in _SORTS and reply == NO_DOUBLE:
            return heard  # Redis may have been alone with that (see ACCEPTED), and then holds something else
        if name == b"MULTI" and reply == b"+OK\r\n":
            queued = True
        elif name == b"EXEC" or (name in (b"DISCARD", b"RESET") and reply[:1] == b"+"):
            queued = False
    if queued:
        both.call("DISCARD")
    _forget_the_expired(both)
    both.compare_data()
    return heard


Play = Callable[[BothServers, Sequence[Words], int], object]


def shortest(both: BothServers, requests: Sequence[Words], resp: int, play: Play = play) -> list[Words]:
    """Leave out requests for as long as the servers differ."""
    left = list(requests)
    size = len(left) // 2
    while size:
        place = 0
        while place < len(left):
            fewer = left[:place] + left[place + size :]
            if _differ(both, fewer, resp, play):
                left = fewer
            else:
                place += size
        size //= 2
    return left


def _differ(both: BothServers, requests: Sequence[Words], resp: int, play: Play) -> bool:
    try:
        play(both, requests, resp)
    except AssertionError:
        return True
    return False


def _ask(both: BothServers, request: Words) -> bytes:
    if request[0].upper() == b"DBSIZE":
        _forget_the_expired(both)
    if request[0].upper() not in _DATES:
        return both.call(*request)
    both.said.append(request)
    theirs, ours = both.both(*request)
    assert theirs == ours or nearly(MILLISECONDS)(both, request, theirs, ours), difference(theirs, ours)
    return theirs


def _forget_the_expired(both: BothServers) -> None:
    """Have both look at all keys: Redis counts those whose time has come until it looks at them."""
    both.ask_real("EXISTS", *ALL_KEYS)
    both.ask_ours("EXISTS", *ALL_KEYS)


def _is_comparable(both: BothServers, request: Words, *, queued: bool) -> bool:
    name, words = request[0].upper(), tuple(word.upper() for word in request[1:])
    if name == b"COMMAND":
        return words[:1] in ((b"GETKEYS",), (b"GETKEYSANDFLAGS",))
    if queued:
        return not (name in _UNSURE or _is_of_now(name, words) or _is_large(name, words) or _is_unordered(name, words))
    return not (
        _is_of_now(name, words)
        or _is_large(name, words)
        or _may_wait(name, words)
        or (len(words) > 0 and _is_without_order(both, request))
    )


def _is_of_now(name: bytes, words: Words) -> bool:
    """Tell whether the outcome depends on the moment: what time it is, or whether a time is over."""
    if name == b"XADD":
        return not {b"*", b"*\0"}.isdisjoint(words[1:])
    if name in _TIME_IS_SECOND:
        return any(0 < number < 100_000 for number in _numbers(words[1:2]))
    return name in (b"SET", b"GETEX") and any(
        0 < number < _SOON.get(option, 0) for option, word in zip(words, words[1:]) for number in _numbers([word])
    )


def _is_large(name: bytes, words: Words) -> bool:
    """Tell whether Redis would take, or send, more than anybody has time for."""
    numbers = _numbers(words)
    if name in (b"SETRANGE", b"SETBIT", b"BITFIELD"):
        return any(100_000 < number < 2**32 for number in numbers)
    if b"RANDMEMBER" in name or name == b"HRANDFIELD":
        return any(-(2**63) < number < -1000 for number in numbers)
    return name == b"XAUTOCLAIM" and any(2**20 < number < 2**62 for number in numbers)


def _may_wait(name: bytes, words: Words) -> bool:
    if name in (b"XREAD", b"XREADGROUP"):
        return any(word.startswith(b"BLOCK") for word in words)
    times = words[-1:] if name in _TIME_IS_LAST else words[:1] if name in _TIME_IS_FIRST else ()
    return any(_LIKE_A_NUMBER.match(word) and word.lower() not in QUICK for word in times)


def _is_unordered(name: bytes, words: Words) -> bool:
    """Tell whether members may come in any order, as far as that is seen without asking what the keys hold."""
    return name in _SORTS or b"LEX" in name or b"BYLEX" in words


def _is_without_order(both: BothServers, request: Words) -> bool:
    """Tell whether it is about members that Redis keeps in an order of its own, or cannot compare."""
    name, words = request[0].upper(), {word.upper() for word in request}
    encodings = [both.ask_real("OBJECT", "ENCODING", key) for key in request[1:3]]
    if name == b"DUMP":
        if encodings[0] == b"$9\r\nquicklist\r\n":  # cut into nodes as it grew, which is not known here
            return both.ask_real("DUMP", request[1]).partition(b"\n")[2][:2] != b"\x12\x01"
        return encodings[0] in (b"$6\r\nstream\r\n", b"$9\r\nhashtable\r\n")
    if name in _SORTS:  # it unpacks a sorted set before it sorts it
        kind = both.ask_real("TYPE", request[1])
        return encodings[0] == b"$9\r\nhashtable\r\n" or (kind == b"+zset\r\n" and {b"BY", b"ALPHA"} <= words)
    return (b"LEX" in name or b"BYLEX" in words) and b"$8\r\nskiplist\r\n" in encodings


def _numbers(words: Sequence[bytes]) -> list[int]:
    return [int(found[1]) for found in map(_NUMBER.match, words) if found]
