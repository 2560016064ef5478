"""LCS: the longest common subsequence of two strings.

The table of the textbook is kept as one row of bits for each byte of the first string: where the length grows by one
from a place to the next.  A row is made from the one before it by an addition and three bit operations on whole numbers
as long as the second string (H. Hyyrö, 2004), and the way back through the table asks for single bits only.
"""

from __future__ import annotations

from typing import Final

from twisted_kv.declaring.arguments import Arguments
from twisted_kv.declaring.groups import Group, every
from twisted_kv.sessions.session import Session
from twisted_kv.values.long_strings import string_bytes
from twisted_kv.vocabulary.errors import SYNTAX, CommandError
from twisted_kv.vocabulary.replies import Reply

subsequences = Group("string", category="string")

_MOST_CELLS: Final = 1 << 32
"""The largest table whose rows are all kept: half a gibibyte."""
_CELL: Final = 4
"""Bytes that a cell takes in Redis, whose table is refused when it is longer than a value may be."""


@subsequences.command(
    "LCS",
    since="7.0.0",
    flags="readonly",
    keys=every("RO access", last=1),
    complexity="O(N*M)",
)
def lcs(session: Session, key: bytes, other: bytes, *words: bytes) -> Reply:
    """Return the longest common subsequence of two strings, its length, or where its parts are."""
    values = []
    for each in (key, other):
        value = session.db.read(each)
        text = b"" if value is None else string_bytes(value)
        if text is None:
            raise CommandError("The specified keys must contain string values")
        values.append(text)
    wants_length = wants_places = with_lengths = False
    least = 0
    arguments = Arguments(words)
    while arguments:
        option = arguments.option()
        if option == b"IDX":
            wants_places = True
        elif option == b"LEN":
            wants_length = True
        elif option == b"WITHMATCHLEN":
            with_lengths = True
        elif option == b"MINMATCHLEN" and arguments:
            least = max(0, arguments.integer())
        else:
            raise CommandError(SYNTAX)
    if wants_places and wants_length:
        raise CommandError("If you want both the length and indexes, please just use IDX.")
    first, second = values
    cells = (len(first) + 1) * (len(second) + 1)
    if cells * _CELL > session.server.settings.proto_max_bulk_len:
        raise CommandError("Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")
    if cells > _MOST_CELLS:
        raise CommandError("Insufficient memory, failed allocating transient memory for LCS")
    rows = _rows(first, second)
    length = _length(rows, len(second))
    if wants_length:
        return length
    pairs = _pairs(first, second, rows)
    if not wants_places:
        return bytes([first[place] for place, _ in reversed(pairs)])
    return {b"matches": _matches(pairs, least, with_lengths), b"len": length}


def _rows(first: bytes, second: bytes) -> list[int]:
    """Give the rows of the table: bit j is 0 where the length grows at byte j of the second string."""
    masks: dict[int, int] = {}
    backwards = second[::-1]
    for byte in set(first) & set(second):
        masks[byte] = int(backwards.translate(_ZEROS[:byte] + b"1" + _ZEROS[byte + 1 :]), 2)
    everything = (1 << len(second)) - 1
    row = everything
    rows = [row]
    for byte in first:
        common = row & masks.get(byte, 0)
        row = ((row + common) | (row - common)) & everything
        rows.append(row)
    return rows


_ZEROS: Final = b"0" * 256


def _length(rows: list[int], size: int) -> int:
    return size - bin(rows[-1]).count("1")


def _pairs(first: bytes, second: bytes, rows: list[int]) -> list[tuple[int, int]]:
    """Give the places of the bytes that both have, from the last to the first, the way that Redis finds them."""
    pairs = []
    at, other = len(first), len(second)
    looked_at, row = -1, b""  # a row is a number as long as the string: it is taken apart once, not for each bit
    nearest = 0  # behind the last byte of the second string, up to here, that is equal to the one of the first
    while at and other:
        if first[at - 1] == second[other - 1]:
            at -= 1
            other -= 1
            pairs.append((at, other))
            continue
        if looked_at != at:
            looked_at, row = at, rows[at].to_bytes((len(second) >> 3) + 1, "little")
            nearest = second.rfind(first[at - 1 : at], 0, other) + 1
        if not other & 7 and row[(other >> 3) - 1] == 0xFF:  # eight bits at a time, as far as all are set
            bytes_set = row[nearest + 7 >> 3 : other >> 3]
            other -= 8 * (len(bytes_set) - len(bytes_set.rstrip(b"\xff"))) or 1
        elif row[other - 1 >> 3] >> (other - 1 & 7) & 1:
            other -= 1
        else:
            at -= 1
    return pairs


def _matches(pairs: list[tuple[int, int]], least: int, with_lengths: bool) -> Reply:
    """Put bytes that follow one another in both strings together, and leave out what is shorter than asked for."""
    matches: list[Reply] = []
    place = 0
    while place < len(pairs):
        end = place
        while end + 1 < len(pairs) and pairs[end + 1] == (pairs[end][0] - 1, pairs[end][1] - 1):
            end += 1
        size = end - place + 1
        (last, other_last), (start, other_start) = pairs[place], pairs[end]
        if size >= least:
            match: list[Reply] = [[start, last], [other_start, other_last]]
            matches.append([*match, size] if with_lengths else match)
        place = end + 1
    return matches
