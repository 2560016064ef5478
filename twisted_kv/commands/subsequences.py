"""LCS: the longest common subsequence of two strings.

The textbook's dynamic-programming table is stored as one row of bits for each byte of the first string; a bit records
whether the length grows by one at that column.  Each row is computed from the previous one with an addition and three
bit operations on integers as long as the second string (H. Hyyrö, 2004), and the backtracking through the table needs
single bits only.
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

_MAX_CELLS: Final = 1 << 32
"""Cells of the largest table that is built, since all its rows are kept: half a gibibyte."""
_CELL_BYTES: Final = 4
"""Bytes per cell in Redis, which refuses a table that is longer than a value may be."""


@subsequences.command(
    "LCS",
    since="7.0.0",
    flags="readonly",
    keys=every("RO access", last=1),
    complexity="O(N*M)",
)
def lcs(session: Session, key: bytes, other: bytes, *words: bytes) -> Reply:
    """Return the longest common subsequence of two strings, its length (LEN), or its indexes in both (IDX)."""
    values = []
    for value in [session.db.read(each) for each in (key, other)]:
        text = b"" if value is None else string_bytes(value)
        if text is None:
            raise CommandError("The specified keys must contain string values")
        values.append(text)
    wants_length = wants_indexes = with_lengths = False
    min_length = 0
    arguments = Arguments(words)
    while arguments:
        option = arguments.option()
        if option == b"IDX":
            wants_indexes = True
        elif option == b"LEN":
            wants_length = True
        elif option == b"WITHMATCHLEN":
            with_lengths = True
        elif option == b"MINMATCHLEN" and arguments:
            min_length = max(0, arguments.integer())
        else:
            raise CommandError(SYNTAX)
    if wants_indexes and wants_length:
        raise CommandError("If you want both the length and indexes, please just use IDX.")
    first, second = values
    cells = (len(first) + 1) * (len(second) + 1)
    if cells * _CELL_BYTES > session.server.settings.proto_max_bulk_len:
        raise CommandError("Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")
    if cells > _MAX_CELLS:
        raise CommandError("Insufficient memory, failed allocating transient memory for LCS")
    rows = _table_rows(first, second)
    length = _common_length(rows, len(second))
    if wants_length:
        return length
    pairs = _common_indexes(first, second, rows)
    if not wants_indexes:
        return bytes([first[index] for index, _ in reversed(pairs)])
    return {b"matches": _matches(pairs, min_length, with_lengths), b"len": length}


def _table_rows(first: bytes, second: bytes) -> list[int]:
    """Return the rows of the table: bit j is 0 where the length grows at byte j of the second string."""
    masks: dict[int, int] = {}
    backwards = second[::-1]
    for byte in set(first) & set(second):
        masks[byte] = int(backwards.translate(_ZEROS[:byte] + b"1" + _ZEROS[byte + 1 :]), 2)
    all_ones = (1 << len(second)) - 1
    row = all_ones
    rows = [row]
    for byte in first:
        common = row & masks.get(byte, 0)
        row = ((row + common) | (row - common)) & all_ones
        rows.append(row)
    return rows


_ZEROS: Final = b"0" * 256


def _common_length(rows: list[int], size: int) -> int:
    return size - bin(rows[-1]).count("1")


def _common_indexes(first: bytes, second: bytes, rows: list[int]) -> list[tuple[int, int]]:
    """Return the indexes of the common bytes in both strings, last to first, as Redis finds them."""
    pairs = []
    first_end, second_end = len(first), len(second)
    row_index, row = -1, b""  # a row is an integer as long as the string: convert it once, not for each bit
    nearest = 0  # one past the last byte before `second_end` that equals the current byte of the first string
    while first_end and second_end:
        if first[first_end - 1] == second[second_end - 1]:
            first_end -= 1
            second_end -= 1
            pairs.append((first_end, second_end))
            continue
        if row_index != first_end:
            row_index, row = first_end, rows[first_end].to_bytes((len(second) >> 3) + 1, "little")
            nearest = second.rfind(first[first_end - 1 : first_end], 0, second_end) + 1
        if not second_end & 7 and row[(second_end >> 3) - 1] == 0xFF:  # skip eight bits at a time while all are set
            full_bytes = row[nearest + 7 >> 3 : second_end >> 3]
            second_end -= 8 * (len(full_bytes) - len(full_bytes.rstrip(b"\xff"))) or 1
        elif row[second_end - 1 >> 3] >> (second_end - 1 & 7) & 1:
            second_end -= 1
        else:
            first_end -= 1
    return pairs


def _matches(pairs: list[tuple[int, int]], min_length: int, with_lengths: bool) -> Reply:
    """Join bytes that are adjacent in both strings into ranges, and omit ranges shorter than `min_length`."""
    matches: list[Reply] = []
    begin = 0
    while begin < len(pairs):
        end = begin
        while end + 1 < len(pairs) and pairs[end + 1] == (pairs[end][0] - 1, pairs[end][1] - 1):
            end += 1
        size = end - begin + 1
        (last, other_last), (start, other_start) = pairs[begin], pairs[end]
        if size >= min_length:
            match: list[Reply] = [[start, last], [other_start, other_last]]
            matches.append([*match, size] if with_lengths else match)
        begin = end + 1
    return matches
