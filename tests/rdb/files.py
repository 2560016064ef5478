"""Makes RDB files and DUMP payloads by hand, from the facts of the format; knows nothing of the cache's own code.

Integers in the format's own headers and lengths are big-endian where Redis writes them so (lengths), and little-endian
everywhere else (times, checksums, ziplists, listpacks, zipmaps, intsets).
"""

from __future__ import annotations

import struct
from typing import Dict, Iterable, List, Mapping, NamedTuple, Sequence, Set, Tuple, Union

# Opcodes

SLOT_INFO = 244
FUNCTION2 = 245
FUNCTION_PRE_GA = 246
MODULE_AUX = 247
IDLE = 248
FREQ = 249
AUX = 250
RESIZEDB = 251
EXPIRETIME_MS = 252
EXPIRETIME = 253
SELECTDB = 254
EOF = 255

# Types

STRING, LIST, SET, ZSET, HASH, ZSET_2, MODULE, MODULE_2 = range(8)
HASH_ZIPMAP, LIST_ZIPLIST, SET_INTSET, ZSET_ZIPLIST, HASH_ZIPLIST, LIST_QUICKLIST, STREAM_LISTPACKS = range(9, 16)
HASH_LISTPACK, ZSET_LISTPACK, LIST_QUICKLIST_2, STREAM_LISTPACKS_2, SET_LISTPACK, STREAM_LISTPACKS_3 = range(16, 22)
HASH_METADATA_PRE_GA, HASH_LISTPACK_EX_PRE_GA, HASH_METADATA, HASH_LISTPACK_EX = range(22, 26)

NEWEST = 10
"""The version that Redis 7.0 writes, and the newest that it reads."""

NEWER = 11
"""The version that Redis 7.2 writes."""

CHECKED_FROM = 5
"""The first version whose files end in a checksum."""

UINT64_MAX = (1 << 64) - 1

Item = Union[bytes, int]
Pairs = Mapping[bytes, bytes]
StreamId = Tuple[int, int]
Entry = Tuple[StreamId, Sequence[bytes]]
"""An entry of a stream: its identity, and fields and values by turns."""


class Group(NamedTuple):
    """A group of a stream; how many entries it has read is None where that is not known."""

    last: StreamId
    read: Union[int, None]
    consumers: Dict[bytes, int]
    """When each of them was seen, in milliseconds."""
    pending: Dict[StreamId, Tuple[bytes, int, int]]
    """The consumer of each entry that is not acknowledged, when it was delivered, and how often."""


class Streamed(NamedTuple):
    """All that a stream is."""

    entries: List[Tuple[StreamId, Tuple[bytes, ...]]]
    last: StreamId
    first: StreamId
    deleted: StreamId
    added: int
    groups: Dict[bytes, Group]


Value = Union[bytes, Dict[bytes, bytes], List[bytes], Set[bytes], List[Tuple[float, bytes]], Streamed]
"""What a value is: a string, a hash, a list, a set, a sorted set in its order, or a stream."""


class Typed(NamedTuple):
    """A value as it is written, by its type's number, and what it is; `checked`: its file has a checksum."""

    name: str
    kind: int
    body: bytes
    value: Value
    checked: bool = True

    @property
    def version(self) -> int:
        """The first version whose files may have it, or that of Redis 7.0."""
        return NEWER if self.kind in (SET_LISTPACK, STREAM_LISTPACKS_3) else NEWEST

    def payload(self, version: int = NEWEST) -> bytes:
        """Give the payload for RESTORE."""
        return dump_payload(self.kind, self.body, version)


def _crc64_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x95AC9329AC4BC9B5 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _crc64_table()


def crc64(data: bytes) -> int:
    """Give the checksum of Redis: polynomial of Jones (ad93d23594c935a9), reflected, beginning with 0."""
    value = 0
    for byte in data:
        value = _TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value


# Lengths and strings


def length(number: int, bits: int = 0) -> bytes:
    """Write a length: as short as can be, or in as many bits (6, 14, 32, 64) as are asked for."""
    bits = bits or next(each for each in (6, 14, 32, 64) if number < 1 << each)
    if bits == 6:
        return bytes([number])
    if bits == 14:
        return struct.pack(">H", 0x4000 | number)
    return struct.pack(">BI", 0x80, number) if bits == 32 else struct.pack(">BQ", 0x81, number)


def string(data: bytes, bits: int = 0) -> bytes:
    """Write a string as it is, after its length."""
    return length(len(data), bits) + data


def int8(number: int) -> bytes:
    """Write a string that is a number of 8 bits."""
    return struct.pack("<Bb", 0xC0, number)


def int16(number: int) -> bytes:
    """Write a string that is a number of 16 bits."""
    return struct.pack("<Bh", 0xC1, number)


def int32(number: int) -> bytes:
    """Write a string that is a number of 32 bits."""
    return struct.pack("<Bi", 0xC2, number)


def lzf_string(compressed: bytes, size: int) -> bytes:
    """Write a string that is compressed; `size` is how long it is once it is not."""
    return b"\xc3" + length(len(compressed)) + length(size) + compressed


def literals(data: bytes) -> bytes:
    """Compress nothing: LZF in runs of at most 32 bytes that stand for themselves."""
    runs = [data[start : start + 32] for start in range(0, len(data), 32)]
    return b"".join(bytes([len(run) - 1]) + run for run in runs)


def back(distance: int, count: int) -> bytes:
    """Have LZF repeat `count` bytes (3 to 264) that begin `distance` bytes (1 to 8192) before the end of the output."""
    high, low = divmod(distance - 1, 256)
    if count < 9:
        return bytes([(count - 2) << 5 | high, low])
    return bytes([7 << 5 | high, count - 9, low])


# Zipmaps


def _zipmap_length(size: int) -> bytes:
    return bytes([size]) if size < 254 else struct.pack("<BI", 254, size)


def zipmap(pairs: Pairs, free: int = 0, count: int = -1) -> bytes:
    """Write a zipmap with `free` unused bytes after each value; `count` is its first byte if it is not the truth."""
    parts = [bytes([min(len(pairs), 254) if count < 0 else count])]
    for field, value in pairs.items():
        parts += [_zipmap_length(len(field)), field, _zipmap_length(len(value)), bytes([free]), value, b"?" * free]
    return b"".join(parts) + b"\xff"


# Ziplists: an entry is the length of the one before it, an encoding and content


def zip_text(data: bytes, bits: int = 0) -> bytes:
    """Write encoding and content of a ziplist's entry that is a string; its length in 6, 14 or 32 bits."""
    bits = bits or next(each for each in (6, 14, 32) if len(data) < 1 << each)
    if bits == 6:
        return bytes([len(data)]) + data
    return (struct.pack(">H", 0x4000 | len(data)) if bits == 14 else struct.pack(">BI", 0x80, len(data))) + data


def zip_number(number: int, bits: int = 0) -> bytes:
    """Write encoding and content of a ziplist's entry that is a number; in 4 bits from 0 to 12."""
    fits = (each for each in (8, 16, 24, 32, 64) if -(1 << (each - 1)) <= number < 1 << (each - 1))
    bits = bits or (4 if 0 <= number <= 12 else next(fits))
    if bits == 4:
        return bytes([0xF1 + number])
    return bytes([{8: 0xFE, 16: 0xC0, 24: 0xF0, 32: 0xD0, 64: 0xE0}[bits]]) + number.to_bytes(
        bits // 8, "little", signed=True
    )


def ziplist(entries: Iterable[bytes], long_lengths: bool = False, count: int = -1) -> bytes:
    """Write a ziplist of entries by `zip_text` and `zip_number`; `long_lengths` writes those before it in 5 bytes."""
    body, before, tail, number = b"", 0, 10, 0
    for entry in entries:
        tail = 10 + len(body)
        entry = (bytes([before]) if before < 254 and not long_lengths else struct.pack("<BI", 254, before)) + entry
        body, before, number = body + entry, len(entry), number + 1
    number = min(number, 0xFFFF) if count < 0 else count
    return struct.pack("<IIH", 10 + len(body) + 1, tail, number) + body + b"\xff"


# Listpacks: an entry is an encoding, content and how long both were


def pack_text(data: bytes, bits: int = 0) -> bytes:
    """Write encoding and content of a listpack's entry that is a string; its length in 6, 12 or 32 bits."""
    bits = bits or next(each for each in (6, 12, 32) if len(data) < 1 << each)
    if bits == 6:
        return bytes([0x80 | len(data)]) + data
    return (struct.pack(">H", 0xE000 | len(data)) if bits == 12 else struct.pack("<BI", 0xF0, len(data))) + data


def pack_number(number: int, bits: int = 0) -> bytes:
    """Write encoding and content of a listpack's entry that is a number; 7 bits are without a sign."""
    fits = (each for each in (13, 16, 24, 32, 64) if -(1 << (each - 1)) <= number < 1 << (each - 1))
    bits = bits or (7 if 0 <= number < 128 else next(fits))
    if bits == 7:
        return bytes([number])
    if bits == 13:
        return struct.pack(">H", 0xC000 | number & 0x1FFF)
    return bytes([{16: 0xF1, 24: 0xF2, 32: 0xF3, 64: 0xF4}[bits]]) + number.to_bytes(bits // 8, "little", signed=True)


def back_length(size: int) -> bytes:
    """Write how long a listpack's entry was.

    A size of just 2**14 - 1 takes three bytes, though two would do, and 2**21 - 1 takes four: so Redis counts.
    """
    count = 1 if size <= 127 else next(each for each in (2, 3, 4, 5) if size < (1 << 7 * each) - 1 or each == 5)
    groups = [size >> 7 * place & 0x7F for place in reversed(range(count))]
    return bytes([groups[0], *(group | 0x80 for group in groups[1:])])


def listpack(entries: Iterable[bytes], count: int = -1) -> bytes:
    """Write a listpack of entries by `pack_text` and `pack_number`; `count` is its header's if it is not the truth."""
    entries = list(entries)
    body = b"".join(entry + back_length(len(entry)) for entry in entries)
    number = min(len(entries), 0xFFFF) if count < 0 else count
    return struct.pack("<IH", 6 + len(body) + 1, number) + body + b"\xff"


def packed(items: Iterable[Item]) -> bytes:
    """Write a listpack of strings and numbers, each as short as can be."""
    return listpack(pack_number(each) if isinstance(each, int) else pack_text(each) for each in items)


def zipped(items: Iterable[Item]) -> bytes:
    """Write a ziplist of strings and numbers, each as short as can be."""
    return ziplist(zip_number(each) if isinstance(each, int) else zip_text(each) for each in items)


def intset(numbers: Iterable[int], bits: int) -> bytes:
    """Write a set of numbers of 16, 32 or 64 bits."""
    ordered = sorted(numbers)
    body = b"".join(each.to_bytes(bits // 8, "little", signed=True) for each in ordered)
    return struct.pack("<II", bits // 8, len(ordered)) + body


# Bodies of values


def hash_table(pairs: Pairs) -> bytes:
    """Write the body of a HASH."""
    return length(len(pairs)) + b"".join(string(field) + string(value) for field, value in pairs.items())


def members(items: Iterable[bytes]) -> bytes:
    """Write the body of a LIST or a SET, or of a LIST_QUICKLIST whose items are ziplists."""
    items = list(items)
    return length(len(items)) + b"".join(map(string, items))


def old_score(score: float) -> bytes:
    """Write a score as a ZSET of before Redis 4 has it: in digits, or one byte for what has none."""
    if score != score:
        return b"\xfd"
    if score in (float("inf"), float("-inf")):
        return b"\xfe" if score > 0 else b"\xff"
    digits = b"%.17g" % score
    return bytes([len(digits)]) + digits


def sorted_set(scores: Mapping[bytes, float], binary: bool) -> bytes:
    """Write the body of a ZSET_2, or that of a ZSET if it is not binary."""
    parts = [string(name) + (struct.pack("<d", scores[name]) if binary else old_score(scores[name])) for name in scores]
    return length(len(parts)) + b"".join(parts)


def quicklist_2(nodes: Iterable[tuple[bool, bytes]]) -> bytes:
    """Write the body of a LIST_QUICKLIST_2: nodes that are one plain value (true) or a listpack (false)."""
    nodes = list(nodes)
    return length(len(nodes)) + b"".join(length(1 if plain else 2) + string(data) for plain, data in nodes)


def stream_id(identity: StreamId) -> bytes:
    """Write the identity of a stream's entry as its keys are written, in 16 bytes."""
    return struct.pack(">QQ", *identity)


def stream_node(start: StreamId, names: Sequence[bytes], entries: Iterable[Entry], gone: Iterable[Entry] = ()) -> bytes:
    """Write a node of a stream: entries and those that are gone, told by the first identity of the node."""
    lost = {identity for identity, _ in gone}
    every = sorted([*entries, *gone])
    items: list[Item] = [len(every) - len(lost), len(lost), len(names), *names, 0]
    for identity, fields in every:
        same = tuple(fields[::2]) == tuple(names)
        content = [*fields[1::2]] if same else [len(fields) // 2, *fields]
        items += [2 * same + (identity in lost), *map(_difference, identity, start), *content, len(content) + 3]
    return packed(items)


def _difference(number: int, start: int) -> int:
    """Tell two parts of identities apart as Redis does, in 64 bits with a sign."""
    return (number - start + (1 << 63)) % (1 << 64) - (1 << 63)


def stream_body(kind: int, nodes: Iterable[tuple[StreamId, bytes]], value: Streamed) -> bytes:
    """Write the body of a stream with nodes by `stream_node`; what a kind cannot tell is left out."""
    keys = [string(stream_id(start)) + string(node) for start, node in nodes]
    parts = [length(len(keys)), *keys, length(len(value.entries)), *map(length, value.last)]
    if kind != STREAM_LISTPACKS:
        parts += map(length, (*value.first, *value.deleted, value.added))
    parts.append(length(len(value.groups)))
    for name, group in value.groups.items():
        parts += [string(name), *map(length, group.last)]
        if kind != STREAM_LISTPACKS:
            parts.append(length(UINT64_MAX if group.read is None else group.read))
        parts.append(length(len(group.pending)))
        for identity, (_, delivered, count) in group.pending.items():
            parts.append(stream_id(identity) + struct.pack("<q", delivered) + length(count))
        parts.append(length(len(group.consumers)))
        for consumer, seen in group.consumers.items():
            own = [stream_id(identity) for identity, each in group.pending.items() if each[0] == consumer]
            times = struct.pack("<q", seen) * (2 if kind == STREAM_LISTPACKS_3 else 1)
            parts += [string(consumer), times, length(len(own)), *own]
    return b"".join(parts)


def module_identity(name: str, version: int) -> int:
    """Give the number that stands for the type of a module: nine characters of 6 bits and a version of 10."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    number = 0
    for letter in name:
        number = number << 6 | letters.index(letter)
    return number << 10 | version


def module_value() -> bytes:
    """Write the body of a MODULE_2: a number, a string, a double and the end."""
    parts = length(2) + length(42) + length(5) + string(b"text") + length(4) + struct.pack("<d", 1.5) + length(0)
    return length(module_identity("test-type", 1)) + parts


# Files


def aux(name: bytes, value: bytes) -> bytes:
    """Write a field about the file; the value is written already, as a string or a number."""
    return bytes([AUX]) + string(name) + value


def select(index: int) -> bytes:
    """Write which database the next keys are in."""
    return bytes([SELECTDB]) + length(index)


def resize(keys: int, expires: int) -> bytes:
    """Write how many keys come, and how many of them expire; a hint."""
    return bytes([RESIZEDB]) + length(keys) + length(expires)


def key(name: bytes, kind: int, body: bytes, written: bytes = b"") -> bytes:
    """Write a key and its value; `written` is the key's name if it is not to be written as it is."""
    return bytes([kind]) + (written or string(name)) + body


def expires_ms(deadline: int) -> bytes:
    """Write when the next key expires, in milliseconds."""
    return struct.pack("<Bq", EXPIRETIME_MS, deadline)


def expires_seconds(deadline: int) -> bytes:
    """Write when the next key expires, in seconds, as before Redis 2.6."""
    return struct.pack("<Bi", EXPIRETIME, deadline)


def idle(seconds: int) -> bytes:
    """Write for how long the next key was not used."""
    return bytes([IDLE]) + length(seconds)


def frequency(counter: int) -> bytes:
    """Write how often the next key was used."""
    return bytes([FREQ, counter])


def rdb(*parts: bytes, version: int = NEWEST, checked: bool = True) -> bytes:
    """Write a file: its head, its parts, its end and, from version 5 on, its checksum, or zero instead of one."""
    data = b"REDIS%04d" % version + b"".join(parts) + bytes([EOF])
    if version < CHECKED_FROM:
        return data
    return data + struct.pack("<Q", crc64(data) if checked else 0)


def dump_payload(kind: int, body: bytes, version: int = NEWEST) -> bytes:
    """Write what DUMP gives and RESTORE takes."""
    data = bytes([kind]) + body + struct.pack("<H", version)
    return data + struct.pack("<Q", crc64(data))
