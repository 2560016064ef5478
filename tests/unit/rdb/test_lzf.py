"""LZF: what is compressed comes out again, and what is no LZF is refused."""

from __future__ import annotations

import random

import pytest

from tests.rdb.cases import compressed_samples
from twisted_kv.rdb.lzf import compress, decompress

SAMPLES = list(compressed_samples())


@pytest.mark.parametrize(("name", "packed", "data"), SAMPLES, ids=[sample[0] for sample in SAMPLES])
def test_a_sample_is_what_it_stands_for(name: str, packed: bytes, data: bytes) -> None:
    assert decompress(packed, len(data)) == data


def test_a_sample_that_is_cut_is_refused() -> None:
    for _, packed, data in SAMPLES:
        if len(packed) < 200:
            for end in range(len(packed)):
                with pytest.raises(ValueError, match="a compressed string"):
                    decompress(packed[:end], len(data))


@pytest.mark.parametrize(
    ("packed", "length", "why"),
    [
        (b"\x01x", 2, "ends too early"),
        (b"\0x\x20", 4, "ends too early"),
        (b"\0x\xe0", 20, "ends too early"),
        (b"\0x\xe0\0", 20, "ends too early"),
        (b"\x20\0", 3, "before its start"),
        (b"\0x\x20\x01", 4, "before its start"),
        (b"\0x", 2, "another length"),
        (b"\0x", 0, "another length"),
        (b"\0x\xe0\xff\0\0y", 5, "another length"),
        (b"", 1, "another length"),
    ],
)
def test_what_is_no_lzf_is_refused(packed: bytes, length: int, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        decompress(packed, length)


def test_nothing_is_more_than_was_announced_by_much() -> None:
    with pytest.raises(ValueError, match="another length"):
        decompress(b"\0x" + b"\xe0\xff\0" * 1_000_000, 300)


@pytest.mark.parametrize("size", [4, 20, 21, 31, 32, 33, 263, 264, 265, 266, 267, 268, 8191, 8192, 8193, 20_000])
def test_what_repeats_becomes_short(size: int) -> None:
    for period in (1, 2, 3, 7, 300):
        pattern = bytes(place * 7 % 251 for place in range(period))
        data = (pattern * (size // period + 1))[:size]
        packed = compress(data)
        if packed is not None:
            assert len(packed) <= size - 4
            assert decompress(packed, size) == data
        else:
            assert size < 24 or period >= size // 2


def test_what_is_too_far_before_is_not_referred_to() -> None:
    noise = random.Random(1).randbytes(8200)
    for size in (8189, 8190, 8191, 8192, 8193, 8200):
        data = b"-" * 600 + b"abcdefgh" + noise[: size - 8] + b"abcdefgh"
        packed = compress(data)
        assert packed is not None
        assert decompress(packed, len(data)) == data


@pytest.mark.parametrize("data", [b"", b"a", b"abc", b"aaaa", bytes(range(256)), bytes(range(256)) + b"\0\1\2\3"])
def test_what_would_not_become_shorter_is_left(data: bytes) -> None:
    assert compress(data) is None
