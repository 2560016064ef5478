"""RDB files with what each of them holds, files that are to be refused, and values for RESTORE.

`CASES` are whole.  `REFUSALS` hold something that is not kept here, and `DAMAGED` are no whole files.  `VALUES` are the
values of all types alone: of each there is a case of the same name, and a payload.  What Redis makes of all of it is
tested in `tests/agreement/test_rdb_cases.py`.
"""

from __future__ import annotations

import random
import re
from typing import Iterator, List, NamedTuple, Optional, Tuple

from tests.rdb import collections
from tests.rdb import files as make
from tests.rdb.files import Typed, Value

FAR = 4_102_444_800_000
"""A deadline that is not reached in our time: the year 2100, in milliseconds."""


class Key(NamedTuple):
    """A key that a file holds; its deadline is in milliseconds."""

    db: int
    name: bytes
    value: Value
    deadline: Optional[int] = None


class Case(NamedTuple):
    """A whole file of a version, and the keys that it holds, also those that have expired by now."""

    name: str
    version: int
    data: bytes
    keys: List[Key]


class Refusal(NamedTuple):
    """A file that is refused by naming a word, and what Redis answers about it if it can read it."""

    name: str
    version: int
    data: bytes
    word: str
    question: Tuple[str, ...] = ()
    answer: object = None


def number(value: int) -> bytes:
    """Write a number in digits."""
    return b"%d" % value


# Strings


def strings() -> Iterator[Typed]:
    """Strings in all of their encodings, at the edges of each."""
    yield Typed("an empty string", make.STRING, make.string(b""), b"")
    for size, bits in ((1, 6), (1, 14), (1, 32), (1, 64), (63, 6), (63, 14), (64, 14), (16383, 14), (16384, 32)):
        data = bytes(place * 7 % 256 for place in range(size))
        yield Typed(f"a string of {size} bytes, its length in {bits} bits", make.STRING, make.string(data, bits), data)
    yield Typed("a string of 100,000 bytes", make.STRING, make.string(b"%05d" % 7 * 20_000), b"00007" * 20_000)
    for bits, write in ((8, make.int8), (16, make.int16), (32, make.int32)):
        for value in (0, 7, -1, (1 << (bits - 1)) - 1, -(1 << (bits - 1))):
            yield Typed(f"the number {value} in {bits} bits", make.STRING, write(value), number(value))
    for text in (b"7", b"007", b"-0", b"+1", b"2147483648", b"-9223372036854775808", b"18446744073709551616", b"1.50"):
        yield Typed(f"the text {text.decode()}", make.STRING, make.string(text), text)
    for name, compressed, data in compressed_samples():
        yield Typed(f"LZF: {name}", make.STRING, make.lzf_string(compressed, len(data)), data)


def compressed_samples() -> Iterator[tuple[str, bytes, bytes]]:
    """LZF in runs of literals and references back, each at its edges, with what it stands for."""
    noise = random.Random(7).randbytes(8192)
    for size in (1, 31, 32, 33, 64, 65, 8192):
        yield f"{size} literals", make.literals(noise[:size]), noise[:size]
    abc = make.literals(b"abc")
    for count in (3, 8, 9, 10, 263, 264):
        yield f"{count} bytes that overlap themselves", abc + make.back(3, count), (b"abc" * 100)[: 3 + count]
        yield f"one byte {count} times more", make.literals(b"x") + make.back(1, count), b"x" * (1 + count)
    for distance in (1, 2, 255, 256, 257, 4096, 8191, 8192):
        for count in (3, 264):
            data = noise + (noise[-distance:] * count)[:count]
            name = f"{count} bytes from {distance} before"
            yield name, make.literals(noise) + make.back(distance, count), data
    mixed = abc + make.back(3, 5) + make.literals(b"-") + make.back(4, 3) + make.back(1, 40) + make.literals(b"end")
    yield "literals and references in turn", mixed, b"abcabcab-cab" + b"b" * 40 + b"end"


# Hashes

SMALL = {b"f": b"v", b"": b"", b"number": b"12", b"text": b"012", b"binary": bytes(range(256))}
SIZES = (0, 1, 63, 64, 252, 253, 254, 255, 256, 4095, 4096, 16383, 16384, 70_000)
NUMBERS = sorted(
    {0, 1, 12, 13}
    | {sign * (1 << bits) + step for bits in (6, 7, 8, 12, 13, 15, 23, 31) for sign in (1, -1) for step in (-1, 0, 1)}
    | {(1 << 63) - 1, -(1 << 63)}
)


def hashes() -> Iterator[Typed]:
    """Hashes in all of their encodings."""
    yield Typed("a hash table", make.HASH, make.hash_table(SMALL), SMALL)
    many = {b"field %d" % place: number(place) for place in range(1000)}
    yield Typed("a hash table of 1,000 fields", make.HASH, make.hash_table(many), many)
    body = make.length(2, 32) + make.int8(1) + make.int16(300) + make.string(b"a") + make.lzf_string(b"\0x\x20\0", 4)
    yield Typed("a hash table of numbers and LZF", make.HASH, body, {b"1": b"300", b"a": b"xxxx"})
    yield from zipmaps()
    yield from ziplists()
    yield from listpacks()


def zipmaps() -> Iterator[Typed]:
    """Hashes as before Redis 2.6."""

    def typed(name: str, written: bytes, value: Value) -> Typed:
        return Typed(f"a zipmap {name}", make.HASH_ZIPMAP, make.string(written), value)

    yield typed("with one field", make.zipmap({b"f": b"v"}), {b"f": b"v"})
    yield typed("of several fields", make.zipmap(SMALL), SMALL)
    yield typed("with unused bytes", make.zipmap(SMALL, free=3), SMALL)
    yield typed("with unused bytes that are many", make.zipmap(SMALL, free=255), SMALL)
    yield typed("whose count is unknown", make.zipmap(SMALL, count=254), SMALL)
    many = {b"%d" % place: b"v" for place in range(300)}
    yield typed("of 300 fields", make.zipmap(many), many)
    many = {b"%d" % place: b"v" for place in range(253)}
    yield typed("of 253 fields", make.zipmap(many), many)
    for size in (252, 253, 254, 255, 256, 70_000):
        long = {b"k" * size: b"v" * size}
        yield typed(f"of {size} bytes each", make.zipmap(long, free=1), long)


def ziplists() -> Iterator[Typed]:
    """Hashes as before Redis 7.0."""

    def typed(name: str, written: bytes, value: Value) -> Typed:
        return Typed(f"a ziplist {name}", make.HASH_ZIPLIST, make.string(written), value)

    def of(*entries: bytes) -> list[bytes]:
        return [make.zip_text(b"field"), *entries]

    several = make.zipped(item for pair in SMALL.items() for item in pair)
    yield typed("of several fields", several, SMALL)
    numbers = [make.zip_number(each) for value in NUMBERS for each in (value, -value if value > -(1 << 63) else 0)]
    pairs = {number(each): number(-each if each > -(1 << 63) else 0) for each in NUMBERS}
    yield typed("of numbers", make.ziplist(numbers), pairs)
    entries = [
        entry for bits in (8, 16, 24, 32, 64) for entry in (make.zip_text(b"%d" % bits), make.zip_number(5, bits))
    ]
    pairs = {b"%d" % bits: b"5" for bits in (8, 16, 24, 32, 64)}
    yield typed("of small numbers in many bits", make.ziplist(entries), pairs)
    yield typed("of digits that are text", make.ziplist(of(make.zip_text(b"12"))), {b"field": b"12"})
    for size in SIZES:
        data = b"v" * size
        entries = [make.zip_text(data), make.zip_text(b"after"), make.zip_text(b"then"), make.zip_number(1)]
        yield typed(f"with a field of {size} bytes", make.ziplist(entries), {data: b"after", b"then": b"1"})
    for bits in (6, 14, 32):
        written = make.ziplist(of(make.zip_text(b"short", bits)))
        yield typed(f"with a length in {bits} bits", written, {b"field": b"short"})
    written = make.ziplist(of(make.zip_number(1000)), long_lengths=True)
    yield typed("whose entries all say in 5 bytes how long the one before them is", written, {b"field": b"1000"})
    yield typed("whose count is unknown", make.ziplist(of(make.zip_number(3)), count=0xFFFF), {b"field": b"3"})
    many = {b"%d" % place: b"x%d" % place for place in range(40_000)}
    written = make.zipped(item for pair in many.items() for item in pair)
    yield Typed("a ziplist of 80,000 entries", make.HASH_ZIPLIST, make.string(written), many, checked=False)


def listpacks() -> Iterator[Typed]:
    """Hashes as of Redis 7.0."""

    def typed(name: str, written: bytes, value: Value, checked: bool = True) -> Typed:
        return Typed(f"a listpack {name}", make.HASH_LISTPACK, make.string(written), value, checked)

    yield typed("of several fields", make.packed(item for pair in SMALL.items() for item in pair), SMALL)
    pairs = {number(each): number(-each if each > -(1 << 63) else 0) for each in NUMBERS}
    yield typed("of numbers", make.packed(int(item) for pair in pairs.items() for item in pair), pairs)
    sizes = (7, 13, 16, 24, 32, 64)
    written = make.listpack(
        each for bits in sizes for each in (make.pack_text(b"%d" % bits), make.pack_number(5, bits))
    )
    yield typed("of small numbers in many bits", written, {b"%d" % bits: b"5" for bits in sizes})
    for size in SIZES:
        data = b"v" * size
        written = make.packed([data, b"after", b"then", 1])
        yield typed(f"with a field of {size} bytes", written, {data: b"after", b"then": b"1"})
    for whole in (127, 128, 16382, 16383, 16384, (1 << 21) - 2, (1 << 21) - 1, 1 << 21):
        data = b"w" * (whole - (1 if whole < 64 else 2 if whole < 4096 else 5))
        written = make.packed([b"field", data, b"then", 1])
        name = f"with an entry that takes {whole} bytes"
        yield typed(name, written, {b"field": data, b"then": b"1"}, checked=whole < 1 << 20)
    for bits in (6, 12, 32):
        written = make.listpack([make.pack_text(b"field", bits), make.pack_text(b"short", bits)])
        yield typed(f"with lengths in {bits} bits", written, {b"field": b"short"})
    text = make.listpack([make.pack_text(b"12"), make.pack_text(b"-7")])
    yield typed("of digits that are text", text, {b"12": b"-7"})
    yield typed("whose count is unknown", make.listpack([make.pack_number(1)] * 2, count=0xFFFF), {b"1": b"1"})
    many = {b"%d" % place: b"x%d" % place for place in range(40_000)}
    written = make.packed(item for pair in many.items() for item in pair)
    yield typed("of 80,000 entries", written, many, checked=False)
    small = make.packed([b"field", b"v" * 10])
    compressed = make.literals(small[:-11]) + make.back(1, 9) + make.literals(small[-2:])
    body = make.lzf_string(compressed, len(small))
    yield Typed("a listpack that is compressed", make.HASH_LISTPACK, body, {b"field": b"v" * 10})


VALUES = [
    *strings(),
    *hashes(),
    *collections.lists(),
    *collections.sets(),
    *collections.sorted_sets(),
    *collections.streams(),
]


# Whole files

STRING_K = make.key(b"k", make.STRING, make.string(b"v"))


def _cases() -> Iterator[Case]:
    for each in VALUES:
        data = make.rdb(make.key(b"k", each.kind, each.body), version=each.version, checked=each.checked)
        yield Case(each.name, each.version, data, [Key(0, b"k", each.value)])
    for version in range(1, 13):
        data = make.rdb(make.select(0), STRING_K, version=version)
        yield Case(f"version {version}", version, data, [Key(0, b"k", b"v")])
        yield Case(f"version {version} without keys", version, make.rdb(version=version), [])
    for version in (5, 9, 10, 11, 12):
        data = make.rdb(STRING_K, version=version, checked=False)
        yield Case(f"version {version}, its checksum switched off", version, data, [Key(0, b"k", b"v")])
    yield from _databases()
    yield from _names()
    yield from _deadlines()
    yield from _remarks()


def _databases() -> Iterator[Case]:
    """Keys in databases."""
    data = make.rdb(STRING_K)
    yield Case("keys before any database is selected", 10, data, [Key(0, b"k", b"v")])
    data = make.rdb(*(part for index in range(16) for part in (make.select(index), STRING_K)))
    yield Case("a key in each of 16 databases", 10, data, [Key(index, b"k", b"v") for index in range(16)])
    other = make.key(b"other", make.HASH, make.hash_table({b"f": b"w"}))
    data = make.rdb(make.select(3), STRING_K, make.select(0), STRING_K, make.select(3), other)
    keys = [Key(3, b"k", b"v"), Key(0, b"k", b"v"), Key(3, b"other", {b"f": b"w"})]
    yield Case("a database that is selected twice", 10, data, keys)
    for bits in (14, 32, 64):
        data = make.rdb(bytes([make.SELECTDB]) + make.length(2, bits), STRING_K)
        yield Case(f"a database's index in {bits} bits", 10, data, [Key(2, b"k", b"v")])


def _names() -> Iterator[Case]:
    """Names of keys in all of their encodings."""
    samples = {
        "empty": (make.string(b""), b""),
        "a number of 8 bits": (make.int8(-5), b"-5"),
        "a number of 16 bits": (make.int16(300), b"300"),
        "a number of 32 bits": (make.int32(70_000), b"70000"),
        "compressed": (make.lzf_string(b"\0x" + make.back(1, 30), 31), b"x" * 31),
        "binary": (make.string(bytes(range(256))), bytes(range(256))),
        "long": (make.string(b"n" * 70_000), b"n" * 70_000),
    }
    for what, (written, name) in samples.items():
        data = make.rdb(make.key(name, make.STRING, make.string(b"v"), written))
        yield Case(f"a key's name that is {what}", 10, data, [Key(0, name, b"v")])
    data = make.rdb(make.key(b"gone", make.HASH, make.length(0)), STRING_K)
    yield Case("a hash without fields, which is no key", 10, data, [Key(0, b"k", b"v")])
    ziplist, listpack = make.string(make.ziplist([])), make.string(make.listpack([]))
    for what, kind, body in (
        ("hash's ziplist", make.HASH_ZIPLIST, ziplist),
        ("hash's listpack", make.HASH_LISTPACK, listpack),
        ("list", make.LIST, make.members([])),
        ("list's ziplist", make.LIST_ZIPLIST, ziplist),
        ("quicklist of ziplists", make.LIST_QUICKLIST, make.members([])),
        ("quicklist of an empty ziplist", make.LIST_QUICKLIST, make.length(1) + ziplist),
        ("quicklist of listpacks", make.LIST_QUICKLIST_2, make.quicklist_2([])),
        ("quicklist of empty listpacks", make.LIST_QUICKLIST_2, make.quicklist_2([(False, make.listpack([]))] * 2)),
        ("set", make.SET, make.members([])),
        ("old sorted set", make.ZSET, make.length(0)),
        ("sorted set", make.ZSET_2, make.length(0)),
        ("sorted set's ziplist", make.ZSET_ZIPLIST, ziplist),
        ("sorted set's listpack", make.ZSET_LISTPACK, listpack),
    ):
        data = make.rdb(make.expires_ms(1), make.idle(5), make.key(b"gone", kind, body), STRING_K)
        yield Case(f"a {what} without members, which is no key", 10, data, [Key(0, b"k", b"v")])


def _deadlines() -> Iterator[Case]:
    """Times to live, in both units, and what else stands before a key."""
    soon = make.expires_ms(FAR)
    plain = make.key(b"plain", make.STRING, make.string(b"v"))
    kept, last = Key(0, b"k", b"v", FAR), Key(0, b"plain", b"v")
    yield Case("a deadline in milliseconds", 10, make.rdb(soon, STRING_K, plain), [kept, last])
    data = make.rdb(make.expires_seconds(2_000_000_000), STRING_K, plain, version=2)
    yield Case("a deadline in seconds", 2, data, [Key(0, b"k", b"v", 2_000_000_000_000), last])
    data = make.rdb(make.expires_ms(1), STRING_K, make.expires_seconds(1), plain, make.key(b"n", 0, make.int8(1)))
    keys = [Key(0, b"k", b"v", 1), Key(0, b"plain", b"v", 1000), Key(0, b"n", b"1")]
    yield Case("deadlines that have passed", 10, data, keys)
    yield Case("a deadline of a hash", 10, make.rdb(soon, make.key(b"h", 4, make.hash_table({b"f": b"v"}))),
               [Key(0, b"h", {b"f": b"v"}, FAR)])  # fmt: skip
    yield Case("how long a key was not used", 10, make.rdb(make.idle(100), STRING_K, plain), [Key(0, b"k", b"v"), last])
    for bits in (14, 32, 64):
        data = make.rdb(bytes([make.IDLE]) + make.length(9, bits), STRING_K)
        yield Case(f"how long a key was not used, in {bits} bits", 10, data, [Key(0, b"k", b"v")])
    for counter in (0, 5, 255):
        data = make.rdb(make.frequency(counter), STRING_K, plain)
        yield Case(f"how often a key was used: {counter}", 10, data, [Key(0, b"k", b"v"), last])
    data = make.rdb(soon, make.idle(70_000), STRING_K, make.expires_ms(FAR), make.frequency(3), plain)
    yield Case("a deadline and use", 10, data, [kept, Key(0, b"plain", b"v", FAR)])
    yield Case("use before a deadline", 10, make.rdb(make.idle(7), soon, STRING_K), [kept])


def _remarks() -> Iterator[Case]:
    """What a file says of itself."""
    fields = [
        make.aux(b"redis-ver", make.string(b"7.0.15")),
        make.aux(b"redis-bits", make.int8(64)),
        make.aux(b"ctime", make.int32(1_600_000_000)),
        make.aux(b"used-mem", make.int32(1_000_000)),
        make.aux(b"aof-base", make.int8(0)),
    ]
    key = [Key(0, b"k", b"v")]
    yield Case("all that Redis says of a file", 10, make.rdb(*fields, make.select(0), make.resize(1, 0), STRING_K), key)
    yield Case("a base of an append-only file", 10, make.rdb(make.aux(b"aof-base", make.int8(1)), STRING_K), key)
    unknown = make.aux(b"unknown", make.lzf_string(b"\0x" + make.back(1, 30), 31))
    yield Case("a remark that nobody knows", 10, make.rdb(unknown, STRING_K), key)
    yield Case("remarks between and after keys", 10, make.rdb(STRING_K, *fields), key)
    odd = [
        make.aux(b"ctime", make.string(b"x")),
        make.aux(b"redis-bits", make.string(b"")),
        make.aux(b"", make.int8(1)),
    ]
    yield Case("remarks that make no sense", 10, make.rdb(*odd, STRING_K), key)
    old = [make.aux(b"repl-stream-db", make.int8(0)), make.aux(b"repl-id", make.string(b"f" * 40))]
    old += [make.aux(b"repl-offset", make.int8(7)), make.aux(b"aof-preamble", make.int8(0))]
    yield Case("remarks for replicas", 9, make.rdb(*old, STRING_K, version=9), key)
    yield Case("a wrong number of keys", 10, make.rdb(make.resize(70_000, 300), STRING_K), key)
    slots = bytes([make.SLOT_INFO]) + make.length(866) + make.length(1) + make.length(0)
    yield Case("how many keys a slot has", 12, make.rdb(make.select(0), slots, STRING_K, version=12), key)


CASES = list(_cases())


# What is refused


def _beyond_redis() -> Iterator[Refusal]:
    """What is beside the types of Redis 7.0, or newer."""
    least = FAR.to_bytes(8, "little")  # of all of the deadlines, which are then told from it, beginning with 1
    expiring = {
        make.HASH_METADATA_PRE_GA: make.length(1) + make.length(FAR) + make.string(b"f") + make.string(b"v"),
        make.HASH_LISTPACK_EX_PRE_GA: make.string(make.packed([b"f", b"v", FAR])),
        make.HASH_METADATA: least + make.length(1) + make.length(1) + make.string(b"f") + make.string(b"v"),
        make.HASH_LISTPACK_EX: least + make.string(make.packed([b"f", b"v", FAR])),
    }
    for kind, body in expiring.items():
        data = make.rdb(make.select(0), make.key(b"k", kind, body), version=12)
        yield Refusal(f"a hash whose fields expire (type {kind})", 12, data, "fields that expire")
    data = make.rdb(make.key(b"k", make.MODULE_2, make.module_value()))
    yield Refusal("a value of a module (type 7)", 10, data, "module")
    data = make.rdb(make.key(b"k", make.MODULE, make.module_value()[:9] + make.length(1)), version=8)
    yield Refusal("a value of an old module (type 6)", 8, data, "module")
    about = make.length(make.module_identity("test-type", 1)) + make.length(2) + make.length(1) + make.length(0)
    yield Refusal("what a module says of itself", 10, make.rdb(bytes([make.MODULE_AUX]) + about, STRING_K), "module")
    code = b"redis.register_function('answer', function() return 42 end)"
    question = ("FCALL", "answer", "0")
    parts = make.string(b"library") + make.string(b"LUA") + make.length(0) + make.string(code)
    old = bytes([make.FUNCTION_PRE_GA]) + parts
    name = "a function library of a preview"
    yield Refusal(name, 10, make.rdb(old, STRING_K), "function library", question, 42)


WORDS = {
    "LZF": "compressed string",
    "count is an encoding": "the file ends here",
    "encoding": " where a ",
    "one entry": "no other",
    "no kind": "no known kind",
    "zipmap": "zipmap",
    "ziplist": "packed collection",
    "listpack": "packed collection",
}
"""What the refusal of a damaged value says, by a word of the case's name."""


def _damaged() -> Iterator[Refusal]:
    """No files, or not whole ones."""
    whole = make.rdb(make.select(0), STRING_K)
    turned = bytearray(whole)
    turned[-10] ^= 1
    yield Refusal("a value with one bit turned", 10, bytes(turned), "checksum")
    yield Refusal("a checksum with one bit turned", 10, whole[:-1] + bytes([whole[-1] ^ 0x80]), "checksum")
    yield Refusal("an empty file", 10, b"", "end")
    yield Refusal("a file of another kind", 10, b"RADIS" + whole[5:], "REDIS")
    for digits in (b"0000", b"0013", b"9999", b"00x0", b"    "):
        yield Refusal(f"version {digits.decode()}", 10, b"REDIS" + digits + whole[9:], "version")
    for opcode in (8, 26, 30, 200, 243):
        data = make.rdb(STRING_K, bytes([opcode]) + make.string(b"x") + make.string(b"y"))
        yield Refusal(f"a type of number {opcode}", 10, data, "type")
    yield Refusal("a database too many", 10, make.rdb(make.select(16), STRING_K), "databases")
    bodies = {
        "LZF that refers to before its beginning": (make.STRING, make.lzf_string(b"\0x" + make.back(2, 3), 4)),
        "LZF that gives too much": (make.STRING, make.lzf_string(b"\0x" + make.back(1, 5), 4)),
        "LZF that gives too little": (make.STRING, make.lzf_string(b"\0x" + make.back(1, 3), 9)),
        "LZF that ends in a reference": (make.STRING, make.lzf_string(b"\0x\x20", 4)),
        "LZF that ends in a run": (make.STRING, make.lzf_string(b"\5x", 6)),
        "a string of an unknown encoding": (make.STRING, b"\xc4abc"),
        "a length of an unknown encoding": (make.STRING, b"\x82abc"),
        "a hash whose count is an encoding": (make.HASH, b"\xc0\1\1a\1b"),
        "a ziplist of one entry": (make.HASH_ZIPLIST, make.string(make.zipped([b"f"]))),
        "a ziplist that is cut": (make.HASH_ZIPLIST, make.string(make.zipped([b"f", b"v"])[:-2])),
        "a ziplist whose total is wrong": (make.HASH_ZIPLIST, make.string(b"\x80" + make.zipped([b"f", b"v"])[1:])),
        "a ziplist with an entry of no kind": (make.HASH_ZIPLIST, make.string(make.ziplist([b"\xff", b"\xf1"]))),
        "a listpack of one entry": (make.HASH_LISTPACK, make.string(make.packed([b"f"]))),
        "a listpack that is cut": (make.HASH_LISTPACK, make.string(make.packed([b"f", b"v"])[:-1])),
        "a listpack whose total is wrong": (make.HASH_LISTPACK, make.string(b"\x80" + make.packed([b"f", b"v"])[1:])),
        "a listpack of nothing": (make.HASH_LISTPACK, make.string(b"")),
        "a zipmap that is cut": (make.HASH_ZIPMAP, make.string(make.zipmap({b"f": b"v"})[:-1])),
        "a zipmap of nothing": (make.HASH_ZIPMAP, make.string(b"")),
        "a zipmap whose value is too long": (make.HASH_ZIPMAP, make.string(b"\1\1f\x50\0v\xff")),
    }
    for name, (kind, body) in bodies.items():
        word = next(word for word in WORDS if word in name)
        yield Refusal(name, 10, make.rdb(make.key(b"k", kind, body)), WORDS[word])
    for name, kind, body, says in collections.damaged():
        version = make.Typed(name, kind, body, b"").version
        yield Refusal(name, version, make.rdb(make.key(b"k", kind, body), version=version), says)


REFUSALS = list(_beyond_redis())
DAMAGED = list(_damaged())

LOADED = re.compile(
    r"a(| sorted set's) listpack of one entry|a sorted set's \w+ with a score of x|a stream's node with "
    r"(no entries|more entries|fewer|a text for a count|very many (deleted )?entries|a head without|entries in|"
    r"an entry before|a deleted)|"
    r"an intset that has a number twice|a sorted set's listpack with a member twice|"
    r"a stream (with|that|whose).*(given to nobody|other entries|behind its last|counted fewer)"
)
"""The damaged ones that Redis loads all the same, and so do we, unless `sanitize-dump-payload` is on."""

LOADED_EVEN_SO = re.compile(
    r"a sorted set's \w+ with a score of x|a stream's node with (entries in another order|an entry before its first)|"
    r"a stream (that|whose).*(other entries|behind its last|counted fewer)"
)
"""Those that are loaded even if it is."""


def cuts(data: bytes) -> Iterator[bytes]:
    """Give all beginnings of a file but the whole one; each is to be refused."""
    for end in range(len(data)):
        yield data[:end]
