"""The HyperLogLog: an estimate of how many different elements were added, in a string in Redis's own format.

16,384 registers each keep the longest run of zeros seen in the hashes assigned to them.  A string has a header of 16
bytes (`HYLL`, the encoding, three unused bytes, and the cached estimate, whose highest bit says that it is stale),
followed by

* dense: the registers in six bits each, the lowest bits first;
* sparse: runs of equal registers.  `00xxxxxx` are x+1 zeros, `01xxxxxx yyyyyyyy` are xy+1 zeros, `1vvvvvxx` are x+1
  registers of v+1.

Clients see these bytes (GET, DUMP), so runs are split and joined where Redis does it, which is not everywhere that is
possible.  The estimator is Ertl's (O. Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", 2017).
"""

from __future__ import annotations

import binascii
import math
import re
import string
from struct import unpack_from
from typing import Final, Iterable, Sequence

from twisted_kv.values.errors import CorruptError
from twisted_kv.values.packing import DEFAULTS
from twisted_kv.vocabulary.numbers import INT64_MIN, UINT64_MAX

REGISTERS: Final = 1 << 14

HEAD: Final = 16
DENSE_SIZE: Final = HEAD + REGISTERS * 6 // 8
_MAGIC: Final = b"HYLL"
_DENSE: Final = 0
_SPARSE: Final = 1
_STALE: Final = 0x80

_HASH_BITS: Final = 50
_ALPHA: Final = 0.721347520444481703680
_LARGEST_SPARSE: Final = 32
_MANY: Final = 200
"""Number of elements above which unpacking all registers is worth it."""
_LONGEST_ZEROS: Final = 64
_LONGEST_VALUES: Final = 4

_DIGITS: Final = (string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/").encode()
_TO_DIGITS: Final = _DIGITS + bytes(192)
_FROM_DIGITS: Final = bytes([max(_DIGITS.find(code), 0) for code in range(256)])

_HIGHEST_BITS: Final = int.from_bytes(b"\x80" * REGISTERS, "little")

_SHORT_OR_LONG: Final = re.compile(rb"[^\x40-\x7f]+|[\x40-\x7f].?", re.DOTALL)
_USED: Final = re.compile(rb"[^\0]")

_MASK: Final = (1 << 64) - 1
_SEED: Final = 0xADC83B19
_FACTOR: Final = 0xC6A4A7935BD1E995


def murmur64a(data: bytes, seed: int = _SEED) -> int:
    """Return the hash of bytes by A. Appleby's MurmurHash64A."""
    value = seed ^ (len(data) * _FACTOR & _MASK)
    whole = len(data) & ~7
    for word in unpack_from(f"<{whole >> 3}Q", data) if whole else ():
        word = word * _FACTOR & _MASK
        value = (value ^ (word ^ word >> 47) * _FACTOR) * _FACTOR & _MASK
    if whole < len(data):
        value = (value ^ int.from_bytes(data[whole:], "little")) * _FACTOR & _MASK
    value = (value ^ value >> 47) * _FACTOR & _MASK
    return value ^ value >> 47


def place_and_run(element: bytes) -> tuple[int, int]:
    """Return the index of the register of an element, and one more than the run of zeros in its hash."""
    value = murmur64a(element)
    rest = value >> 14 | 1 << _HASH_BITS
    return value & (REGISTERS - 1), (rest & -rest).bit_length()


class HyperLogLog:
    """A reader and editor of one string.  Raises `CorruptError` where its runs are invalid.

    A sparse string that would have more bytes than `sparse_most` becomes dense (`hll-sparse-max-bytes`).
    """

    __slots__ = ("_data", "_sparse_most")

    def __init__(self, data: bytes | None = None, sparse_most: int = DEFAULTS.hll_sparse_max_bytes) -> None:
        self._sparse_most = sparse_most
        if data is None:
            data = _MAGIC + bytes((_SPARSE,)) + bytes(11) + _zeros(REGISTERS)
        self._data = bytearray(data)

    @staticmethod
    def is_one(data: bytes) -> bool:
        """Check whether a string begins like a HyperLogLog."""
        if len(data) < HEAD or not data.startswith(_MAGIC) or data[4] > _SPARSE:
            return False
        return data[4] == _SPARSE or len(data) == DENSE_SIZE

    @property
    def data(self) -> bytes:
        """The string."""
        return bytes(self._data)

    @property
    def is_sparse(self) -> bool:
        """Whether it consists of runs."""
        return self._data[4] == _SPARSE

    def add(self, element: bytes) -> bool:
        """Add an element; return True if a register has changed."""
        index, run = place_and_run(element)
        changed, _ = self._set(index, run)
        return changed

    def add_all(self, elements: Sequence[bytes]) -> int:
        """Add elements; returns 0 if no register has changed.  Raises `CorruptError` as `add` does."""
        changes = 0
        for position, element in enumerate(elements):
            if not self.is_sparse and len(elements) - position > _MANY:
                return changes + self._add_many(elements[position:])
            changes += self.add(element)
        return changes

    def _add_many(self, elements: Sequence[bytes]) -> bool:
        """Add elements to a dense string, unpacking and packing its registers only once."""
        before = self.registers()
        registers = bytearray(before)
        for element in elements:
            index, run = place_and_run(element)
            if run > registers[index]:
                registers[index] = run
        if registers == before:
            return False
        self._data[HEAD:] = _packed(bytes(registers))
        return True

    def merge_into(self, registers: bytearray) -> None:
        """Raise each of the given registers to the value of the same register here, if it is smaller."""
        if not self.is_sparse:
            registers[:] = largest(registers, self.registers())
            return
        index = 0
        for value, length in self._runs():
            if value:
                for register in range(index, min(index + length, REGISTERS)):
                    if registers[register] < value:
                        registers[register] = value
            index += length
            if index > REGISTERS:
                break
        if index != REGISTERS:
            raise CorruptError("runs of another length than there are registers")

    def merge(self, registers: bytes) -> None:
        """Raise each register to the value of the same one among `registers`, if it is smaller."""
        hint = HEAD, 0
        for used in _USED.finditer(registers):
            if not self.is_sparse:
                break
            _, hint = self._set(used.start(), registers[used.start()], hint)
        if not self.is_sparse:
            self._data[HEAD:] = _packed(largest(self.registers(), registers))

    def make_stale(self) -> None:
        """Mark the cached estimate as stale."""
        self._data[15] |= _STALE

    @property
    def cached_count(self) -> int | None:
        """The cached estimate, or None if it is stale."""
        return None if self._data[15] & _STALE else int.from_bytes(self._data[8:16], "little")

    def cache_count(self, count: int) -> None:
        """Cache an estimate; an estimate that is out of range sets the bit that makes it stale."""
        self._data[8:16] = (count & UINT64_MAX).to_bytes(8, "little")

    def registers(self) -> bytes:
        """Return the registers, one byte each."""
        if not self.is_sparse:
            return _unpacked(bytes(self._data[HEAD:]))
        registers = bytearray()
        for found in _SHORT_OR_LONG.finditer(bytes(self._data), HEAD):
            runs = found.group()
            if _LENGTHS[runs[0]]:
                registers += b"".join([_RUNS[head] for head in runs[: REGISTERS + 1]])
            else:
                registers += bytes(_long_length(runs, 0))
            if len(registers) > REGISTERS:
                break
        if len(registers) != REGISTERS:
            raise CorruptError("runs of another length than there are registers")
        return bytes(registers)

    def make_dense(self) -> bool:
        """Convert a sparse string to a dense one; return False if it is dense already."""
        if not self.is_sparse:
            return False
        registers = self.registers()
        self._data[4] = _DENSE
        self._data[HEAD:] = _packed(registers)
        return True

    def describe(self) -> bytes:
        """Return a description of the runs, as the reply of PFDEBUG DECODE."""
        parts = []
        offset = HEAD
        for value, length in self._runs():
            is_long = self._data[offset] & 0xC0 == 0x40
            offset += 1 + is_long
            parts.append(b"v:%d,%d" % (value, length) if value else b"%c:%d" % (b"Z" if is_long else b"z", length))
        return b" ".join(parts)

    # Private helpers

    def _runs(self) -> Iterable[tuple[int, int]]:
        offset = HEAD
        data = self._data
        while offset < len(data):
            value, length, size = _run(data, offset)
            yield value, length
            offset += size

    def _set(self, index: int, value: int, start: tuple[int, int] = (HEAD, 0)) -> tuple[bool, tuple[int, int]]:
        """Raise a register to a value if it is smaller; return whether it was, and a `start` for a later register.

        `start` is the offset of a run in a sparse string, where the search begins, and the first register of that run:
        either the first run of all, or one at least two before the run that is searched for.
        """
        if self.is_sparse:
            if value <= _LARGEST_SPARSE:
                changed, start = self._set_sparse(index, value, start)
                if changed is not None:
                    return changed, start
            self.make_dense()
        return self._set_dense(index, value), (HEAD, 0)

    def _set_dense(self, index: int, value: int) -> bool:
        offset, shift = divmod(index * 6, 8)
        offset += HEAD
        pair = int.from_bytes(self._data[offset : offset + 2], "little")
        if pair >> shift & 63 >= value:
            return False
        pair = pair & ~(63 << shift) | value << shift
        size = min(2, DENSE_SIZE - offset)
        self._data[offset : offset + size] = pair.to_bytes(2, "little")[:size]
        return True

    def _set_sparse(self, index: int, value: int, start: tuple[int, int]) -> tuple[bool | None, tuple[int, int]]:
        """Do the same as `_set` to a sparse string; return None if it has to become dense first."""
        data = self._data
        offset, first = start
        before = last_but_one = start
        while True:
            if offset >= len(data):
                raise CorruptError("runs of another length than there are registers")
            length, size = _LENGTHS[data[offset]], 1
            if not length:
                length, size = _long_length(data, offset), 2
            if index < first + length:
                break
            last_but_one, before = before, (offset, first)
            offset += size
            first += length
        old = _RUNS[data[offset]][0] if size == 1 else 0
        if old >= value:
            return False, last_but_one
        last = first + length - 1
        if length == 1:
            data[offset : offset + size] = _values(value, 1)
        else:
            runs = _values(value, 1)
            if index != first:
                runs = _more(old, index - first) + runs
            if index != last:
                runs += _more(old, last - index)
            if len(runs) > size and len(data) + len(runs) - size > self._sparse_most:
                return None, last_but_one
            data[offset : offset + size] = runs
        self._join(before[0])
        self.make_stale()
        return True, last_but_one

    def _join(self, offset: int) -> None:
        """Join runs of equal values among five runs from an offset on."""
        data = self._data
        for _ in range(5):
            if offset >= len(data):
                return
            if data[offset] & 0xC0 == 0x40:
                offset += 2
                continue
            if (
                data[offset] & 0x80
                and offset + 1 < len(data)
                and data[offset + 1] & 0x80
                and data[offset] >> 2 == data[offset + 1] >> 2
            ):
                length = (data[offset] & 3) + (data[offset + 1] & 3) + 2
                if length <= _LONGEST_VALUES:
                    data[offset : offset + 2] = _values((data[offset] >> 2 & 31) + 1, length)
                    continue
            offset += 1


def _run(data: bytearray, offset: int) -> tuple[int, int, int]:
    """Read a run: return the value of its registers, their number, and the number of bytes of the run."""
    run = _RUNS[data[offset]]
    return (run[0], len(run), 1) if run else (0, _long_length(data, offset), 2)


def _long_length(data: bytes | bytearray, offset: int) -> int:
    low = data[offset + 1] if offset + 1 < len(data) else 0  # C's string ends with a NUL
    return ((data[offset] & 0x3F) << 8 | low) + 1


def _short_run(head: int) -> bytes:
    """Return the registers of a run of one byte, or no bytes if that byte begins a run of two."""
    if head & 0x80:
        return bytes(((head >> 2 & 31) + 1,)) * ((head & 3) + 1)
    return b"" if head & 0x40 else bytes(head + 1)


_RUNS: Final = [_short_run(head) for head in range(256)]
_LENGTHS: Final = [len(run) for run in _RUNS]


def _unpacked(packed: bytes) -> bytes:
    """Convert registers of six bits each to one byte each.

    They are the digits of a number in base 64 (BASE64 writes the highest first), so a function in C can do the work.
    """
    return binascii.b2a_base64(packed[::-1], newline=False).translate(_FROM_DIGITS)[::-1]


def _packed(registers: bytes) -> bytes:
    """Do the reverse of `_unpacked`."""
    return binascii.a2b_base64(registers[::-1].translate(_TO_DIGITS))[::-1]


def largest(registers: bytes | bytearray, others: bytes) -> bytes:
    """Return the larger register of each pair.

    All are compared at once, as bytes of two large numbers: where the highest bit survives, nothing was borrowed.
    """
    one, other = int.from_bytes(registers, "little"), int.from_bytes(others, "little")
    wins = ((one | _HIGHEST_BITS) - other & _HIGHEST_BITS) >> 7
    return (other ^ (one ^ other) & wins * 0xFF).to_bytes(REGISTERS, "little")


def _values(value: int, length: int) -> bytes:
    return bytes((0x80 | (value - 1) << 2 | (length - 1),))


def _zeros(length: int) -> bytes:
    if length > _LONGEST_ZEROS:
        return bytes((0x40 | (length - 1) >> 8, (length - 1) & 0xFF))
    return bytes((length - 1,))


def _more(value: int, length: int) -> bytes:
    return _values(value, length) if value else _zeros(length)


def estimate(registers: bytes) -> int:
    """Estimate how many different elements were added; INT64_MIN if 64 bits cannot hold it, as in C and Redis."""
    histogram = [0] * 64
    for value in set(registers):
        histogram[value] = registers.count(value)
    total = REGISTERS * _tau((REGISTERS - histogram[_HASH_BITS + 1]) / REGISTERS)
    for value in range(_HASH_BITS, 0, -1):
        total = (total + histogram[value]) * 0.5
    total += REGISTERS * _sigma(histogram[0] / REGISTERS)
    count = _ALPHA * REGISTERS * REGISTERS / total if total else math.inf
    return math.floor(count + 0.5) if count < -INT64_MIN else INT64_MIN


def _sigma(x: float) -> float:
    if x == 1.0:
        return math.inf
    y, total, before = 1.0, x, -1.0
    while total != before:
        x *= x
        before = total
        total += x * y
        y += y
    return total


def _tau(x: float) -> float:
    if x in (0.0, 1.0):
        return 0.0
    y, total, before = 1.0, 1.0 - x, -1.0
    while total != before:
        x = math.sqrt(x)
        before = total
        y *= 0.5
        total -= (1.0 - x) ** 2 * y
    return total / 3
