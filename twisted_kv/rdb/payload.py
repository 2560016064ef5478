"""Encodes and decodes the payloads of DUMP: a value in RDB's encoding, the version of RDB, and a checksum."""

from __future__ import annotations

from typing import Final, Iterable

from twisted_kv.rdb import format as rdb
from twisted_kv.rdb.bodies import kind_and_body
from twisted_kv.rdb.builders import Builder, begin, kept
from twisted_kv.rdb.checksum import crc64
from twisted_kv.rdb.cursor import Cursor
from twisted_kv.rdb.errors import RdbError, ShortError
from twisted_kv.rdb.words import write_string
from twisted_kv.store.entries import Value
from twisted_kv.values.packing import DEFAULTS, Packing

_FOOTER_SIZE: Final = 10  # two bytes of version, eight of checksum


def dump(value: Value, packing: Packing = DEFAULTS) -> bytes:
    """Return the payload for a value."""
    return sealed(*kind_and_body(value, packing))


def dump_functions(codes: Iterable[bytes]) -> bytes:
    """Return the payload of FUNCTION DUMP for libraries of functions, by their codes."""
    return _signed(b"".join([bytes((rdb.FUNCTION,)) + write_string(code) for code in codes]))


def read_functions(payload: bytes) -> list[bytes]:
    """Return the codes in a sound payload of FUNCTION DUMP; raises `RdbError`."""
    cursor = Cursor(payload[:-_FOOTER_SIZE])
    codes = []
    try:
        while cursor.at < len(cursor.data):
            kind = cursor.byte()
            if kind == rdb.FUNCTION_BEFORE_RELEASE:
                raise RdbError("Pre-GA function format not supported")
            if kind != rdb.FUNCTION:
                raise RdbError("given type is not a function")
            codes.append(cursor.string())
    except ShortError:
        raise RdbError("Failed loading library code") from None
    return codes


def sealed(kind: int, body: bytes) -> bytes:
    """Return the payload for an encoded body of a type."""
    return _signed(bytes((kind,)) + body)


def _signed(payload: bytes) -> bytes:
    payload += rdb.VERSION.to_bytes(2, "little")
    return payload + crc64(payload, 0).to_bytes(8, "little")


def is_sound(payload: bytes) -> bool:
    """Check whether a payload has a known version and a correct checksum."""
    if len(payload) < _FOOTER_SIZE:
        return False
    version = int.from_bytes(payload[-_FOOTER_SIZE : -_FOOTER_SIZE + 2], "little")
    checksum = int.from_bytes(payload[-8:], "little")
    return version <= rdb.VERSION and checksum == crc64(payload[:-8], 0)


def restore(payload: bytes, *, is_deep: bool = False, packing: Packing = DEFAULTS) -> Value:
    """Return the value of a sound payload; raises `RdbError` if it is damaged or holds a value that cannot be kept.

    With `is_deep`, packed forms have to be consistent (`sanitize-dump-payload`).
    """
    cursor = Cursor(payload[:-_FOOTER_SIZE], is_deep=is_deep, packing=packing)
    try:
        kind = kept(cursor.byte())
        if kind == rdb.STRING:
            return cursor.string()
        value = begin(kind, cursor)
        if not isinstance(value, Builder):
            return value
        while value.left:
            value.step(cursor)
    except ShortError:
        raise RdbError("the payload is cut") from None
    return value.value
