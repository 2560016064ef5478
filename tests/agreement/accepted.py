"""The differences from Redis 7.0.15 that are meant to be, each with its reason.  All others are bugs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Callable, Tuple

import attrs

from twisted_kv.rdb.payload import restore

from .replies import as_bytes, parse, sorted_reply

if TYPE_CHECKING:
    from .servers import BothServers

Agree = Callable[["BothServers", Tuple[Any, ...], bytes, bytes], bool]

_LARGEST_INTSET = 512

MILLISECONDS = 3000
"""How far apart two times to live may be: the two servers are asked one after the other."""


def both_succeed(both: BothServers, words: tuple[Any, ...], theirs: bytes, ours: bytes) -> bool:
    """Agree on replies of the same kind that are no errors."""
    return theirs[:1] == ours[:1] != b"-"


def any_order(both: BothServers, words: tuple[Any, ...], theirs: bytes, ours: bytes) -> bool:
    """Agree on the members, in whatever order."""
    return sorted_reply(parse(theirs)[0]) == sorted_reply(parse(ours)[0])


def pairs_in_any_order(both: BothServers, words: tuple[Any, ...], theirs: bytes, ours: bytes) -> bool:
    """Agree on pairs of an array or a map, in whatever order, if Redis keeps the hash as a hash table."""
    return _is_hash_table(both, words[1]) and settings_in_any_order(both, words, theirs, ours)


def settings_in_any_order(both: BothServers, words: tuple[Any, ...], theirs: bytes, ours: bytes) -> bool:
    """Agree on the names and values of settings, in whatever order."""
    (mark, first), (other_mark, second) = parse(theirs)[0], parse(ours)[0]
    return mark == other_mark and sorted(zip(first[::2], first[1::2])) == sorted(zip(second[::2], second[1::2]))


def members_in_any_order(both: BothServers, words: tuple[Any, ...], theirs: bytes, ours: bytes) -> bool:
    """Agree on members in whatever order, if Redis keeps the hash as a hash table."""
    return _is_hash_table(both, words[1]) and any_order(both, words, theirs, ours)


def same_dumped(both: BothServers, words: tuple[Any, ...], theirs: bytes, ours: bytes) -> bool:
    """Agree on the value that both payloads hold, if Redis keeps the hash as a hash table."""
    if not _is_hash_table(both, words[1]):
        return False
    first, second = (restore(parse(reply)[0][1]) for reply in (theirs, ours))
    return (
        not isinstance(first, bytes) and not isinstance(second, bytes) and dict(first.items()) == dict(second.items())
    )


def same_walk(both: BothServers, words: tuple[Any, ...], theirs: bytes, ours: bytes) -> bool:
    """Agree on all that a walk from its start to its end gives."""
    if not both_succeed(both, words, theirs, ours):
        return False
    place = 1 if as_bytes(words[0]).upper() == b"SCAN" else 2
    if place == 2 and not _is_hash_table(both, words[1]):
        return False
    without_cursor = (*words[:place], *words[place + 1 :])
    first, second = both.walk(*without_cursor, place=place)
    return first == second


def unordered_members(both: BothServers, words: tuple[Any, ...], theirs: bytes, ours: bytes) -> bool:
    """Agree on members in whatever order, if Redis keeps one of the sets as a hash table, or makes one of so many."""
    is_large = len(parse(theirs)[0][1] or ()) > _LARGEST_INTSET
    return (is_large or any(_is_hash_table(both, key) for key in words[1:])) and any_order(both, words, theirs, ours)


def as_many_drawn(both: BothServers, words: tuple[Any, ...], theirs: bytes, ours: bytes) -> bool:
    """Agree on how many members were drawn, on whether one comes more than once, and that all of ours are some."""
    (mark, first), (our_mark, second) = parse(theirs)[0], parse(ours)[0]
    if not both_succeed(both, words, theirs, ours) or mark != our_mark or None in (first, second):
        return False
    if not isinstance(first, list):
        first, second = [parse(theirs)[0]], [parse(ours)[0]]
    read = ("ZRANGE", words[1], 0, -1, *words[3:]) if as_bytes(words[0]).upper()[:1] == b"Z" else ("SMEMBERS", words[1])
    known = parse(both.ask_real(*read))[0][1]
    repeats = len(words) > 2 and int(as_bytes(words[2])) < 0
    return len(first) == len(second) and _are_drawn(second, known, in_pairs=len(words) > 3, repeats=repeats)


def _are_drawn(drawn: list[Any], known: list[Any], *, in_pairs: bool, repeats: bool) -> bool:
    if in_pairs and drawn and drawn[0][0] != b"*":
        drawn, known = list(zip(drawn[::2], drawn[1::2])), list(zip(known[::2], known[1::2]))
    return all(each in known for each in drawn) and (repeats or len({repr(each) for each in drawn}) == len(drawn))


def as_many_popped(both: BothServers, words: tuple[Any, ...], theirs: bytes, ours: bytes) -> bool:
    """Agree on how many members were taken out; then each loses what the other gave, so that both hold the same."""
    (mark, first), (our_mark, second) = parse(theirs)[0], parse(ours)[0]
    if not both_succeed(both, words, theirs, ours) or mark != our_mark or None in (first, second):
        return False
    popped = [[member for _, member in reply] if isinstance(reply, list) else [reply] for reply in (first, second)]
    kept = both.ask_ours("SMISMEMBER", words[1], *popped[0]), both.ask_real("SMISMEMBER", words[1], *popped[1])
    expected = [
        b"*%d\r\n" % len(gone) + b"".join(b":%d\r\n" % (each not in other) for each in gone)
        for gone, other in (popped, popped[::-1])
    ]
    both.ask_real("SREM", words[1], *popped[1])
    both.ask_ours("SREM", words[1], *popped[0])
    return len(popped[0]) == len(popped[1]) and list(kept) == expected


def same_scan(both: BothServers, words: tuple[Any, ...], theirs: bytes, ours: bytes) -> bool:
    """Agree on all that a walk over a set or a sorted set gives, if Redis does not keep it packed."""
    packed = (b"$6\r\nintset\r\n", b"$8\r\nlistpack\r\n")
    if not both_succeed(both, words, theirs, ours) or both.ask_real("OBJECT", "ENCODING", words[1]) in packed:
        return False
    first, second = both.walk(*words[:2], *words[3:], place=2)
    return first == second


def same_error_in_any_case(both: BothServers, words: tuple[Any, ...], theirs: bytes, ours: bytes) -> bool:
    """Agree on errors that name the command as it was sent, or in capitals."""
    return theirs[:1] == ours[:1] == b"-" and theirs.upper() == ours.upper()


def no_double_for_redis(both: BothServers, words: tuple[Any, ...], theirs: bytes, ours: bytes) -> bool:
    """Agree where Redis finds a score that is no double, for the reason given; what only ours has stored goes."""
    if theirs != b"-ERR One or more scores can't be converted into double\r\n":
        return False
    for option, target in zip(words[2:], words[3:]):
        if as_bytes(option).upper() == b"STORE":
            both.ask_real("DEL", target)
            both.ask_ours("DEL", target)
    return True


def nearly(tolerance: int) -> Agree:
    """Agree on positive integers that are about the same."""

    def agree(both: BothServers, words: tuple[Any, ...], theirs: bytes, ours: bytes) -> bool:
        if theirs[:1] != b":" or ours[:1] != b":":
            return False
        first, second = int(theirs[1:]), int(ours[1:])
        return first >= 0 and second >= 0 and abs(first - second) <= tolerance

    return agree


def both_live(both: BothServers, words: tuple[Any, ...], theirs: bytes, ours: bytes) -> bool:
    """Agree on keys that both have."""
    keys = parse(theirs)[0][1], parse(ours)[0][1]
    return None not in keys and all(
        exists == (b":1\r\n", b":1\r\n") for exists in (both.both("EXISTS", key) for key in keys)
    )


def same_but_for(*fields: bytes) -> Agree:
    """Agree on a map or a list of pairs, but for the values of some fields."""

    def agree(both: BothServers, words: tuple[Any, ...], theirs: bytes, ours: bytes) -> bool:
        if not both_succeed(both, words, theirs, ours):
            return False
        return _without(theirs) == _without(ours)

    def _without(reply: bytes) -> Any:
        mark, items = parse(reply)[0]
        pairs = zip(items[::2], items[1::2])
        return mark, [(name, None if name[1] in fields else value) for name, value in pairs]

    return agree


def same_but_for_idle_times(both: BothServers, words: tuple[Any, ...], theirs: bytes, ours: bytes) -> bool:
    """Agree on pending entries, or on consumers, though one may have been idle a little longer."""
    first, second = parse(theirs)[0], parse(ours)[0]
    return _without_idle_times(first) == _without_idle_times(second) and all(
        abs(int(one) - int(other)) <= MILLISECONDS for one, other in zip(_idle_times(first), _idle_times(second))
    )


def _idle_times(reply: Any) -> list[bytes]:
    return [each[1][_idle_place(each)][1] for each in reply[1] or ()]


def _without_idle_times(reply: Any) -> Any:
    return reply[0], [
        [part for place, part in enumerate(each[1]) if place != _idle_place(each)] for each in reply[1] or ()
    ]


def _idle_place(entry: Any) -> int:
    """Tell where the idle time stands: behind the names of an entry, or at the end of the facts about a consumer."""
    return 2 if len(entry[1]) == 4 else 5


def same_but_for_dates(both: BothServers, words: tuple[Any, ...], theirs: bytes, ours: bytes) -> bool:
    """Agree on all but dates of these years in milliseconds, and on those to within seconds."""
    first, second = _DATE.findall(theirs), _DATE.findall(ours)
    return _DATE.sub(b":", theirs) == _DATE.sub(b":", ours) and all(
        abs(int(one) - int(other)) <= MILLISECONDS for one, other in zip(first, second)
    )


_DATE = re.compile(rb"(?<=:)[12]\d{12}(?=\r)")


def same_for_our_commands(both: BothServers, words: tuple[Any, ...], theirs: bytes, ours: bytes) -> bool:
    """Agree on the descriptions of the commands, and of the subcommands, that we have."""
    whole = len(words) == 1
    if theirs[:1] != b"*" or ours[:1] != b"*" or not (whole or as_bytes(words[1]).upper() == b"INFO"):
        return False
    (_, first), (_, second) = parse(theirs)[0], parse(ours)[0]
    if len(words) > 2:
        return len(first) == len(second) and all(_describes(*pair) for pair in zip(first, second))
    known = {entry[1][0]: entry for entry in first}
    return all(_describes(known[entry[1][0]], entry) for entry in second)


def _describes(theirs: Any, ours: Any) -> bool:
    """Compare two entries of COMMAND INFO; subcommands that are not ours are passed over."""
    if ours[1] is None or theirs[1] is None:
        return bool(theirs == ours)
    (mark, subcommands), (our_mark, our_subcommands) = theirs[1][9], ours[1][9]
    known = {entry[1][0]: entry for entry in subcommands}
    return bool(
        theirs[1][:9] == ours[1][:9]
        and mark == our_mark
        and all(
            entry[1][0][1].decode() in NEWER_THAN_REDIS_7_0 or _describes(known[entry[1][0]], entry)
            for entry in our_subcommands
        )
    )


def _is_hash_table(both: BothServers, key: Any) -> bool:
    return both.ask_real("OBJECT", "ENCODING", key) == b"$9\r\nhashtable\r\n"


@attrs.frozen
class Accepted:
    """A difference: the first words of the request, why, and on what the replies must agree all the same."""

    request: str
    reason: str
    agree: Agree


ACCEPTED = [
    Accepted("KEYS", "the order of keys is no promise", any_order),
    Accepted("SCAN", "cursors are private, and so is how much one step gives", same_walk),
    Accepted("HSCAN", "as SCAN, for hashes that Redis does not keep as a list", same_walk),
    Accepted("SSCAN", "as SCAN, for sets that Redis keeps as a hash table", same_scan),
    Accepted("ZSCAN", "as SCAN, for sorted sets that Redis keeps as a skip list", same_scan),
    Accepted("SMEMBERS", "the order of sets is no promise, but for small ones of integers", unordered_members),
    Accepted("SINTER", "as SMEMBERS", unordered_members),
    Accepted("SUNION", "as SMEMBERS", unordered_members),
    Accepted("SDIFF", "as SMEMBERS", unordered_members),
    Accepted("SRANDMEMBER", "any members will do", as_many_drawn),
    Accepted("ZRANDMEMBER", "any members will do", as_many_drawn),
    Accepted("SPOP", "any members will do", as_many_popped),
    Accepted("HGETALL", "the order of large hashes is no promise", pairs_in_any_order),
    Accepted("HKEYS", "the order of large hashes is no promise", members_in_any_order),
    Accepted("HVALS", "the order of large hashes is no promise", members_in_any_order),
    Accepted("DUMP", "the order of large hashes is no promise; one that has become small again is packed", same_dumped),
    Accepted("HRANDFIELD", "any field will do", both_succeed),
    Accepted("SORT", "Redis never clears the error of a number out of range that it read before", no_double_for_redis),
    Accepted("SORT_RO", "as SORT", no_double_for_redis),
    Accepted("GEOSEARCH", "errors name the command in capitals, however it was spelled", same_error_in_any_case),
    Accepted("GEOSEARCHSTORE", "as GEOSEARCH", same_error_in_any_case),
    Accepted("RANDOMKEY", "any key will do", both_live),
    Accepted("TTL", "the two are not asked at the same instant", nearly(MILLISECONDS // 1000)),
    Accepted("PTTL", "the two are not asked at the same instant", nearly(MILLISECONDS)),
    Accepted("XPENDING", "the two are not asked at the same instant", same_but_for_idle_times),
    Accepted("XINFO CONSUMERS", "the two are not asked at the same instant", same_but_for_idle_times),
    Accepted("XINFO STREAM", "the two are not asked at the same instant", same_but_for_dates),
    Accepted("TIME", "the two are not asked at the same instant", both_succeed),
    Accepted("HELLO", "connections are numbered by each server for itself", same_but_for(b"id")),
    Accepted("CLIENT ID", "connections are numbered by each server for itself", both_succeed),
    Accepted("CLIENT INFO", "addresses and buffers are each server's own, and lib-name is of Redis 7.2", both_succeed),
    Accepted("CLIENT LIST", "as CLIENT INFO", both_succeed),
    Accepted("INFO", "fields that would not be true of us are left out", both_succeed),
    Accepted("CONFIG GET", "the order of settings is no promise", settings_in_any_order),
    Accepted("COMMAND", "Redis has commands that we do not have yet", same_for_our_commands),
    Accepted("COMMAND COUNT", "Redis has commands that we do not have yet", both_succeed),
    Accepted("COMMAND DOCS", "the texts are our own, and a name that is given twice is answered once", both_succeed),
    Accepted("COMMAND HELP", "the texts are our own", both_succeed),
    Accepted("CLIENT HELP", "the texts are our own", both_succeed),
    Accepted("CONFIG HELP", "the texts are our own", both_succeed),
]

NOT_COMPARED = {
    "SORT STORE, ZUNIONSTORE over another type": "Redis 7.0 does not tell those who wait for the key, and never will",
    "BLPOP k 9223372036854775": "a date that overflows in Redis, which ends the wait within a second; here it is far",
    "XADD MAXLEN 0": "those who wait get an empty stream in Redis; here they wait for an entry",
    "*1048577 and more": "Redis 7.0 takes 2,147,483,647 arguments; here, as in Redis before it, 1,048,576 are the most",
    "CONFIG SET port": "Redis really changes it; here it is fixed",
    "names of commands and settings with a NUL": "Redis finds them by hash, and the answer depends on its random seed",
}
"""What is not even asked, and why."""

NEWER_THAN_REDIS_7_0 = {"client|setinfo"}
"""Commands that clients send though Redis 7.0 does not know them: libraries give their names by it."""
