"""The checksum of RDB, in both of its implementations."""

from __future__ import annotations

import sys
from unittest import mock

import pytest

from tests.rdb import files as make
from twisted_kv.rdb import checksum
from twisted_kv.rdb.checksum import crc64, crc64_by_table

SAMPLES = [b"", b"\0", b"\xff", b"123456789", bytes(range(256)), b"long" * 5000]


@pytest.mark.parametrize("calculate", [crc64, crc64_by_table])
def test_a_checksum_is_that_of_redis(calculate: checksum.Callable[[bytes, int], int]) -> None:
    assert calculate(b"123456789", 0) == 0xE9C6D914C4B8D9CA  # as Redis's crc64.c says of itself
    for data in SAMPLES:
        assert calculate(data, 0) == make.crc64(data)


@pytest.mark.parametrize("calculate", [crc64, crc64_by_table])
def test_a_checksum_goes_on_where_another_ended(calculate: checksum.Callable[[bytes, int], int]) -> None:
    data = bytes(range(256))
    for place in (0, 1, 100, 256):
        assert calculate(data[place:], calculate(data[:place], 0)) == make.crc64(data)


def test_without_a_fast_one_there_is_our_own() -> None:
    with mock.patch.dict(sys.modules, {"anycrc": None}):
        assert checksum._fastest() is crc64_by_table
