"""Lists, sets, sorted sets and streams in all the ways in which RDB has them, and damaged ones."""

from __future__ import annotations

import math
import struct
from typing import Iterator, Sequence

from tests.rdb import files as make
from tests.rdb.files import Entry, Group, Item, Streamed, StreamId, Typed

# Lists

ITEMS = [b"a", b"12", b"", b"a", b"-7", b"z" * 70, bytes(range(256)), b"70000", b"012"]
MIXED: list[Item] = [b"a", 12, b"", b"a", -7, b"z" * 70, bytes(range(256)), 70_000, b"012"]


def lists() -> Iterator[Typed]:
    """Lists in all of their encodings."""
    yield Typed("a list", make.LIST, make.members(ITEMS), ITEMS)
    yield Typed("a list of one element", make.LIST, make.members([b""]), [b""])
    many = [b"element %d" % (place % 7) for place in range(1300)]
    yield Typed("a list of 1,300 elements", make.LIST, make.members(many), many)
    body = make.length(3, 32) + make.int8(1) + make.int32(-70_000) + make.lzf_string(b"\0x\x20\0", 4)
    yield Typed("a list of numbers and LZF", make.LIST, body, [b"1", b"-70000", b"xxxx"])
    yield Typed("a list's ziplist", make.LIST_ZIPLIST, make.string(make.zipped(MIXED)), ITEMS)
    nodes = [make.zipped(MIXED[:4]), make.zipped([]), make.zipped(MIXED[4:])]
    yield Typed("a quicklist of ziplists", make.LIST_QUICKLIST, make.members(nodes), ITEMS)
    nodes = [make.zipped([b"%d" % place, place]) for place in range(600)]
    pairs = [b"%d" % (place // 2) for place in range(1200)]
    yield Typed("a quicklist of 600 ziplists", make.LIST_QUICKLIST, make.members(nodes), pairs)
    body = make.quicklist_2([(False, make.packed(MIXED[:4])), (True, ITEMS[4]), (False, make.packed(MIXED[5:]))])
    yield Typed("a quicklist of listpacks", make.LIST_QUICKLIST_2, body, ITEMS)
    long = b"plain" * 20_000
    body = make.quicklist_2([(True, long), (False, make.listpack([])), (False, make.packed([1])), (True, long)])
    yield Typed("a quicklist of plain nodes", make.LIST_QUICKLIST_2, body, [long, b"1", long])
    small = make.packed([b"v" * 20])
    written = make.lzf_string(make.literals(small[:9]) + make.back(1, 18) + make.literals(small[-2:]), len(small))
    body = make.length(1) + make.length(2) + written
    yield Typed("a quicklist of a compressed listpack", make.LIST_QUICKLIST_2, body, [b"v" * 20])


# Sets


def sets() -> Iterator[Typed]:
    """Sets in all of their encodings."""
    members = sorted(set(ITEMS))
    yield Typed("a set", make.SET, make.members(members), set(members))
    many = [b"member %d" % place for place in range(1300)]
    yield Typed("a set of 1,300 members", make.SET, make.members(many), set(many))
    digits = [b"%d" % place for place in range(600)]
    yield Typed("a set of 600 numbers", make.SET, make.members(digits), set(digits))
    yield Typed("a set of few numbers", make.SET, make.length(2) + make.int8(-1) + make.string(b"7"), {b"-1", b"7"})
    for bits in (16, 32, 64):
        numbers = [-(1 << (bits - 1)), -1, 0, 5, (1 << (bits - 1)) - 1]
        body = make.string(make.intset(numbers, bits))
        yield Typed(f"a set of numbers of {bits} bits", make.SET_INTSET, body, {b"%d" % each for each in numbers})
    body = make.string(make.intset(range(512), 16))
    yield Typed("an intset of 512 numbers", make.SET_INTSET, body, {b"%d" % each for each in range(512)})
    items: list[Item] = [b"a", 12, b"", -7, b"z" * 70, bytes(range(256)), 70_000, b"012"]
    yield Typed("a set's listpack", make.SET_LISTPACK, make.string(make.packed(items)), set(ITEMS))


# Sorted sets

SCORES = {b"top": math.inf, b"a": 1.0, b"b": 1.5, b"": 0.1, b"c": 1.0, b"bottom": -math.inf, b"n": -12.0, b"12": 3e20}
RANKED: list[Item] = [
    b"bottom", b"-inf", b"n", -12, b"", b"0.10000000000000001", b"a", 1, b"c", b"1", b"b", b"1.5",
    12, b"3e+20", b"top", b"inf",
]  # fmt: skip


def ranked(scores: dict[bytes, float]) -> list[tuple[float, bytes]]:
    """Give the members of a sorted set in their order."""
    return sorted((score, member) for member, score in scores.items())


def sorted_sets() -> Iterator[Typed]:
    """Sorted sets in all of their encodings."""
    many = {b"member %d" % place: place * 37 % 1300 / 4 for place in range(1300)}
    edges = {
        b"%d" % place: score
        for place, score in enumerate(
            (5e-324, -5e-324, 1.7976931348623157e308, -1.7976931348623157e308, 2.0**53, 2.0**53 + 2, 0.1 + 0.2, 1 / 3)
        )
    }
    for name, kind, binary in (("an old sorted set", make.ZSET, False), ("a sorted set", make.ZSET_2, True)):
        yield Typed(name, kind, make.sorted_set(SCORES, binary), ranked(SCORES))
        yield Typed(f"{name} of 1,300 members", kind, make.sorted_set(many, binary), ranked(many))
        yield Typed(f"{name} of scores at the edges", kind, make.sorted_set(edges, binary), ranked(edges))
    body = make.string(make.zipped(RANKED))
    yield Typed("a sorted set's ziplist", make.ZSET_ZIPLIST, body, ranked(SCORES))
    body = make.string(make.packed(RANKED))
    yield Typed("a sorted set's listpack", make.ZSET_LISTPACK, body, ranked(SCORES))
    body = make.string(make.packed([b"m" * 100, 7]))
    yield Typed("a sorted set's listpack of a long member", make.ZSET_LISTPACK, body, [(7.0, b"m" * 100)])


# Streams

THEN = 1_600_000_000_000
NEVER: StreamId = (0, 0)
END: StreamId = (make.UINT64_MAX, make.UINT64_MAX)
STREAM_KINDS = (make.STREAM_LISTPACKS, make.STREAM_LISTPACKS_2, make.STREAM_LISTPACKS_3)

FIRST: Entry = ((5, 0), (b"f", b"one"))
SECOND: Entry = ((5, 7), (b"f", b"two"))
OTHERS: list[Entry] = [
    ((5, 8), (b"g", b"3", b"f", b"4")),
    ((70_000, 3), (b"f", b"x" * 300)),
    ((70_001, 1), (b"f", b"")),
]

ALICE = Group((5, 7), 2, {b"alice": THEN}, {(5, 7): (b"alice", THEN + 1, 3)})
GROUPS = {
    b"": Group(NEVER, 0, {}, {}),
    b"idle": Group((5, 7), None, {b"": 0, b"bob": -1}, {}),
    b"readers": Group(
        (70_001, 1),
        5,
        {b"alice": THEN, b"bob": THEN + 5, b"carol": THEN},
        {
            (1, 1): (b"bob", 5, 1),  # its entry was deleted since
            (5, 0): (b"alice", THEN, 70_000),
            (5, 7): (b"bob", THEN + 5, 0),
            (5, 8): (b"alice", -5, 1),
            (70_001, 1): (b"alice", THEN, 2),
        },
    ),
}


def of(
    entries: Sequence[Entry], deleted: StreamId = NEVER, added: int = -1, groups: dict[bytes, Group] | None = None
) -> Streamed:
    """Give a stream of entries; `added` is how many they are if it is not given."""
    listed = [(identity, tuple(fields)) for identity, fields in entries]
    return Streamed(
        listed,
        listed[-1][0] if listed else NEVER,
        listed[0][0] if listed else NEVER,
        deleted,
        len(listed) if added < 0 else added,
        groups or {},
    )


def as_before_7(value: Streamed) -> Streamed:
    """Give what is told of a stream by files of before Redis 7.0."""
    length = len(value.entries)
    known: dict[StreamId, int] = {value.last: length, value.first: 1, NEVER: 0}
    if not length:
        known = dict.fromkeys([value.last, *(group.last for group in value.groups.values())], 0)
    groups = {name: group._replace(read=known.get(group.last)) for name, group in value.groups.items()}
    first = value.first if length else END
    return value._replace(first=first, deleted=NEVER, added=length, groups=groups)


def streams() -> Iterator[Typed]:
    """Streams in all of their encodings."""
    names = (b"f",)
    two = make.stream_node((5, 0), names, [FIRST, SECOND])
    every = [FIRST, SECOND, *OTHERS]
    whole = make.stream_node((5, 0), names, every)
    parts = [((5, 0), two), ((5, 8), make.stream_node((5, 8), (b"g", b"f"), OTHERS))]
    gone = make.stream_node((5, 0), names, [SECOND, OTHERS[1]], [FIRST, OTHERS[0], OTHERS[2]])
    none = make.stream_node((5, 0), names, [], [FIRST, SECOND])
    rest = ((5, 8), make.stream_node((5, 8), (b"g", b"f"), OTHERS))
    far: list[Entry] = [((5, make.UINT64_MAX), (b"f", b"1")), ((6, 0), (b"f", b"2")), (END, (b"f", b"3"))]
    wide = make.stream_node((5, make.UINT64_MAX), names, far)
    many: list[Entry] = [((place, place % 3), (b"field", b"%d" % place)) for place in range(1, 1301)]
    starts = range(0, 1300, 100)
    nodes = [
        (many[start][0], make.stream_node(many[start][0], (b"field",), many[start : start + 100])) for start in starts
    ]
    bare = make.stream_node((5, 0), (), [((5, 0), ()), ((5, 1), ())])
    samples: list[tuple[str, list[tuple[StreamId, bytes]], Streamed]] = [
        ("a stream", [((5, 0), two)], of([FIRST, SECOND])),
        ("a stream with a group", [((5, 0), two)], of([FIRST, SECOND], groups={b"readers": ALICE})),
        ("a stream with several groups", [((5, 0), whole)], of(every, (1, 1), 6, GROUPS)),
        ("a stream of two nodes", parts, of(every)),
        ("a stream of deleted entries", [((5, 0), gone)],
         of([SECOND, OTHERS[1]], (70_001, 1), 5)._replace(last=(70_001, 1))),
        ("a stream with a node without entries", [((5, 0), none), rest], of(OTHERS, (5, 0), 5)),
        ("a stream whose last node has no entries", [((5, 0), none)], of([], (5, 7), 2)._replace(last=(5, 7))),
        ("a stream without entries", [], of([])),
        ("a stream without entries that had some", [],
         of([], (9, 9), 7, {b"readers": ALICE})._replace(last=(70_000, 3))),
        ("a stream of 1,300 entries", nodes, of(many)),
        ("a stream whose identities are far apart", [((5, make.UINT64_MAX), wide)], of(far)),
        ("a stream of entries without fields", [((5, 0), bare)], of([((5, 0), ()), ((5, 1), ())])),
    ]  # fmt: skip
    for kind in STREAM_KINDS:
        for name, written, value in samples:
            expected = as_before_7(value) if kind == make.STREAM_LISTPACKS else value
            yield Typed(f"{name} (type {kind})", kind, make.stream_body(kind, written, value), expected)
    packed = make.string(make.stream_id((5, 0))) + make.lzf_string(make.literals(two), len(two))
    body = make.length(1) + packed + b"\2" + b"\5\7" + b"\5\0" + b"\0\0" + b"\2" + b"\0"
    yield Typed("a stream whose node is compressed", make.STREAM_LISTPACKS_2, body, of([FIRST, SECOND]))


# Damaged ones


def damaged() -> Iterator[tuple[str, int, bytes, str]]:
    """Bodies that contradict themselves: a name, a type, the body, and what a refusal says."""
    twice = "twice"
    yield "a set that has a member twice", make.SET, make.members([b"a", b"b", b"a"]), twice
    yield "a listpack that has a member twice", make.SET_LISTPACK, make.string(make.packed([1, b"b", b"1"])), twice
    yield "an intset that has a number twice", make.SET_INTSET, make.string(make.intset([5, 7, 5], 16)), twice
    numbers = make.intset([5, 7], 16)
    for what, data in (
        ("is cut", numbers[:-1]),
        ("goes on", numbers + b"\0"),
        ("has no head", b"\2\0\0\0"),
        ("has numbers of no known size", b"\3" + numbers[1:]),
        ("announces more", numbers[:4] + b"\xff" + numbers[5:]),
    ):
        yield f"an intset that {what}", make.SET_INTSET, make.string(data), "intset"
    for kind, name in ((make.ZSET, "an old sorted set"), (make.ZSET_2, "a sorted set")):
        body = make.sorted_set({b"a": 1.0, b"b": math.nan}, kind == make.ZSET_2)
        yield f"{name} with a score that is none", kind, body, "no number"
        body = make.sorted_set({b"a": 1.0}, kind == make.ZSET_2)
        yield f"{name} that has a member twice", kind, make.length(2) + body[1:] * 2, twice
    body = make.length(1) + make.string(b"a") + make.string(b"x1")
    yield "an old sorted set with a score in letters", make.ZSET, body, "no number"
    for kind, write, form in (
        (make.ZSET_ZIPLIST, make.zipped, "ziplist"),
        (make.ZSET_LISTPACK, make.packed, "listpack"),
    ):
        yield f"a sorted set's {form} with a member twice", kind, make.string(write([b"a", 1, b"a", 2])), twice
        yield f"a sorted set's {form} of one entry", kind, make.string(write([b"a"])), "no other"
        for score in (b"nan", b"x"):
            name = f"a sorted set's {form} with a score of {score.decode()}"
            yield name, kind, make.string(write([b"a", score])), "no number"
    yield "a list's ziplist that is cut", make.LIST_ZIPLIST, make.string(make.zipped(MIXED)[:-1]), "packed collection"
    yield "a list with a node of no kind", make.LIST_QUICKLIST_2, b"\1\3" + make.string(make.packed([1])), "node"
    yield "a list whose node is cut", make.LIST_QUICKLIST_2, b"\1\2" + make.string(make.packed([1])[:-1]), "packed"
    yield "a list whose ziplist is none", make.LIST_QUICKLIST, b"\1" + make.string(b"x"), "packed"
    yield from damaged_streams()


def damaged_streams() -> Iterator[tuple[str, int, bytes, str]]:
    """Streams that contradict themselves."""
    start, names = (5, 0), (b"f",)
    node = make.stream_node(start, names, [FIRST, SECOND])
    value = of([FIRST, SECOND])
    for name, broken, word in broken_nodes():
        yield name, make.STREAM_LISTPACKS_2, make.stream_body(make.STREAM_LISTPACKS_2, [(start, broken)], value), word
    for kind in STREAM_KINDS:

        def body(value: Streamed, kind: int = kind) -> bytes:
            return make.stream_body(kind, [(start, node)], value)

        of_kind = f"(type {kind})"
        early = body(value._replace(last=(5, 1)))
        yield f"a stream that has entries behind its last one {of_kind}", kind, early, "behind its last"
        if kind != make.STREAM_LISTPACKS:
            late = body(value._replace(deleted=(5, 8)))
            yield f"a stream whose deleted entry is behind its last one {of_kind}", kind, late, "behind its last"
            few = body(value._replace(added=1))
            yield f"a stream that has counted fewer entries than it has {of_kind}", kind, few, "too few"
        more = value._replace(entries=[*value.entries, *value.entries])
        yield f"a stream that announces other entries {of_kind}", kind, body(more), "another number of entries"
        grouped = body(value._replace(groups={b"g": ALICE}))
        group = grouped[grouped.index(b"\1g") :]
        both = grouped[: -len(group) - 1] + b"\2" + group * 2
        yield f"a stream that has a group twice {of_kind}", kind, both, twice_of("group")
        pending = make.stream_id((5, 7))
        head, tail = grouped[: grouped.rindex(pending)], pending
        nobody = head[:-1] + b"\0"
        yield f"a stream with an entry that was given to nobody {of_kind}", kind, nobody, "pending for no consumer"
        other = head + make.stream_id((5, 8))
        yield f"a stream with an entry that was not given {of_kind}", kind, other, "did not give"
        again = head[:-1] + b"\2" + tail * 2
        yield f"a stream with an entry that a consumer has twice {of_kind}", kind, again, "did not give"
        given = tail + struct.pack("<q", THEN + 1) + b"\3"
        doubled = grouped.replace(b"\1" + given, b"\2" + given * 2)
        yield f"a stream with an entry that was given twice {of_kind}", kind, doubled, "given an entry twice"
        consumer = grouped[grouped.index(b"\5alice") :]
        idle = consumer[:-17] + b"\0"
        alike = grouped[: -len(consumer) - 1] + b"\2" + idle + consumer
        yield f"a stream that has a consumer twice {of_kind}", kind, alike, twice_of("consumer")
        keyed = body(value).replace(b"\x10" + make.stream_id(start), make.string(b"short"))
        yield f"a stream whose node has no identity {of_kind}", kind, keyed, "without an ID"
        unordered = make.stream_body(kind, [(start, node)] * 2, more)
        yield f"a stream that has a node twice {of_kind}", kind, unordered, twice_of("node")


def twice_of(what: str) -> str:
    """Say what a refusal of a stream says."""
    return f"a {what} twice"


def broken_nodes() -> Iterator[tuple[str, bytes, str]]:
    """Nodes of a stream that contradict themselves, and what a refusal says."""
    entries: list[Item] = [2, 0, 1, b"f", 0, 2, 0, 0, b"one", 4, 2, 0, 7, b"two", 4]
    cut, other = "is cut", "another number"
    for what, items, word in (
        ("nothing", [], "without anything"),
        ("no entries that it announces", entries[:5], other),
        ("half an entry", entries[:-2], cut),
        ("more entries than announced", [1, *entries[1:]], other),
        ("fewer entries than announced", [3, *entries[1:]], other),
        ("a text for a count", [b"x", *entries[1:]], other),
        ("more fields than there are", [2, 0, 1 << 40, *entries[3:]], cut),
        ("very many entries", [(1 << 62), *entries[1:]], other),
        ("very many deleted entries", [2, (1 << 62), *entries[2:]], other),
        ("a head without an end", [*entries[:4], 7, *entries[5:]], other),
        ("an entry of very many fields", [1, 0, 1, b"f", 0, 0, 0, 0, 1 << 61, b"one", 4], cut),
        ("entries in another order", [*entries[:7], 9, *entries[8:]], "not in order"),
        ("an entry before its first", [*entries[:7], -1, *entries[8:]], "not in order"),
        ("a deleted entry that is not announced", [*entries[:10], 3, 0, 7, b"two", 4], other),
    ):
        yield f"a stream's node with {what}", make.packed(items), word
    yield "a stream's node that is no listpack", b"x", "packed collection"
