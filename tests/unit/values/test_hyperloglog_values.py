"""The bytes and estimates of HyperLogLogs where few elements would not lead."""

from __future__ import annotations

from random import Random

import pytest

from twisted_kv.values.errors import CorruptError
from twisted_kv.values.hyperloglogs import HEAD, REGISTERS, HyperLogLog, estimate, largest, murmur64a

FRONT = b"HYLL\x01" + bytes(11)


def test_elements_of_any_length_are_hashed() -> None:
    assert len({murmur64a(b"x" * size) for size in range(40)}) == 40


def test_a_value_that_no_run_can_hold_makes_a_log_dense() -> None:
    log = HyperLogLog()
    log.merge(bytes(5) + b"\x21" + bytes(REGISTERS - 6))
    assert not log.is_sparse
    assert log.registers()[:7] == bytes(5) + b"\x21\0"
    log.merge(bytes(5) + b"\x20" + bytes(REGISTERS - 6))
    assert log.registers()[5] == 0x21


@pytest.mark.parametrize(
    ("before", "register", "value", "after"),
    [
        (b"\x83\x81\x7f\xf9", 6, 1, b"v:1,4 v:1,3 Z:16377"),
        (b"\x81\x00\x81\x7f\xfa", 2, 1, b"v:1,3 v:1,2 Z:16379"),
        (b"\x82\x7f\xfc", 1, 2, b"v:1,1 v:2,1 v:1,1 Z:16381"),
        (b"\x82\x7f\xfc", 0, 2, b"v:2,1 v:1,2 Z:16381"),
        (b"\x82\x7f\xfc", 2, 2, b"v:1,2 v:2,1 Z:16381"),
        (b"\x82\x7f\xfc", 2, 1, b"v:1,3 Z:16381"),
        (b"\x3f\x7f\xbf", 63, 1, b"z:63 v:1,1 Z:16320"),
        (b"\x7f\xff", 16383, 3, b"Z:16383 v:3,1"),
        (b"\x7f\xff", 64, 3, b"z:64 v:3,1 Z:16319"),
    ],
)
def test_runs_are_cut_and_joined(before: bytes, register: int, value: int, after: bytes) -> None:
    log = HyperLogLog(FRONT + before)
    log.merge(bytes(register) + bytes((value,)) + bytes(REGISTERS - register - 1))
    assert log.describe() == after


def test_estimates_grow_with_the_registers() -> None:
    assert estimate(bytes(REGISTERS)) == 0
    counts = [estimate(bytes((value,)) * REGISTERS) for value in (1, 5, 20, 49)]
    assert counts == sorted(counts)
    assert estimate(b"\x33" * 100 + bytes((49,)) * (REGISTERS - 100)) > counts[-1]


def test_what_has_runs_of_fewer_or_more_registers_is_corrupt() -> None:
    for data in (b"\x7f\xfe", b"\x7f\xff\x80", b"\x7f\xff\x00", b""):
        with pytest.raises(CorruptError):
            HyperLogLog(FRONT + data).registers()


def test_however_many_registers_are_claimed_no_more_are_made_than_there_can_be() -> None:
    """A megabyte of the longest runs would be eight gigabytes of registers."""
    with pytest.raises(CorruptError):
        HyperLogLog(FRONT + b"\x7f\xff" * (1 << 19)).registers()


def test_the_larger_of_two_registers_is_kept_wherever_they_stand() -> None:
    random = Random(5)
    one, other = (bytes(random.choices(range(64), k=REGISTERS)) for _ in range(2))
    both = bytes(map(max, one, other))
    assert largest(one, other) == largest(other, one) == both
    log = HyperLogLog()
    for registers in (one, other):
        log.merge(registers)
    assert log.registers() == both


def test_a_run_that_is_cut_is_read_as_if_a_zero_followed() -> None:
    assert HyperLogLog(FRONT + b"\x7f\xfe\x40").registers() == bytes(REGISTERS)


def test_a_dense_string_has_its_registers_in_six_bits_each() -> None:
    log = HyperLogLog(b"HYLL\x00" + bytes(11) + b"\x41\x20\x0c" + bytes(12285))
    assert len(log.data) == HEAD + 12288
    assert log.registers()[:4] == bytes((1, 1, 2, 3))
