"""Lists and long strings: rows of chunks."""

from __future__ import annotations

from random import Random

import pytest

from twisted_kv.values import long_strings
from twisted_kv.values.lists import CHUNK, List
from twisted_kv.values.long_strings import LongString
from twisted_kv.values.sizes import SLOT, TABLE

MEGABYTE = 1024 * 1024


def numbers(count: int) -> list[bytes]:
    return [b"%d" % place for place in range(count)]


def test_an_empty_list_is_false_and_has_nothing() -> None:
    value = List()
    assert not value
    assert list(value) == list(reversed(value)) == value.slice(0, 0) == []
    assert value.index(b"a") is None
    assert value.remove(b"a", 0) == 0
    assert value.keep(0, 0) == 0
    assert value.release() is None
    assert value.memory == TABLE


def test_a_place_is_found_among_many_chunks_of_different_lengths() -> None:
    chance = Random(3)
    model = numbers(150 * CHUNK)
    value = List(model)
    for place in (chance.randrange(len(model)) for _ in range(100)):
        model.insert(place, b"inserted")
        value.insert(place, b"inserted")
    for place in (*range(0, len(model), 97), *range(len(model) - 100, len(model))):
        assert value.get(place) == model[place]
    assert value.slice(70_000, 70_100) == model[70_000:70_100]
    assert value.slice(1_000, 70_000) == model[1_000:70_000]


@pytest.mark.parametrize("count", [1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 5 * CHUNK + 7])
def test_every_place_of_a_list_is_found(count: int) -> None:
    model = numbers(count)
    value = List(model)
    assert [value.get(place) for place in range(count)] == model
    for start in (0, 1, count // 2, count - 1, count):
        for stop in (start, start + 1, CHUNK, count - 1, count):
            if stop <= count:
                assert value.slice(start, stop) == model[start:stop], (start, stop)


def test_chunks_stay_small_whichever_way_a_list_grows() -> None:
    right, left, middle = List(), List(), List([b"first", b"last"])
    for element in numbers(4 * CHUNK):
        right.append(element)
        left.append_left(element)
        middle.insert(1, element)
    assert list(right) == numbers(4 * CHUNK)
    assert list(left) == numbers(4 * CHUNK)[::-1]
    assert list(middle) == [b"first", *numbers(4 * CHUNK)[::-1], b"last"]
    for value in (right, left, middle):
        assert all(0 < len(chunk) <= CHUNK for chunk in value.pieces())
        assert len(value.pieces()) <= 8


def test_a_list_that_became_empty_takes_no_more_than_a_new_one() -> None:
    value = List(numbers(2 * CHUNK))
    for pop in (value.pop, value.pop_left):
        for _ in range(CHUNK):
            pop()
    assert (value.memory, len(value), value.pieces()) == (TABLE, 0, [])
    value.append(b"again")
    assert list(value) == [b"again"]


def test_elements_are_removed_from_the_end_that_is_asked_for() -> None:
    model = [b"%d" % (place % 3) for place in range(3 * CHUNK)]
    for count in (1, 2, CHUNK, 0, -1, -2, -CHUNK):
        value, left = List(model), model.copy()
        places = [place for place, each in enumerate(model) if each == b"1"]
        gone = places[count:] if count < 0 else places[: count or None]
        for place in reversed(gone):
            del left[place]
        assert value.remove(b"1", count) == len(gone)
        assert list(value) == left
        assert value.memory == List(left).memory


def test_a_list_of_one_kind_of_element_is_removed_chunk_by_chunk() -> None:
    for count in (0, -3 * CHUNK, 5 * CHUNK):
        value = List([b"same"] * 3 * CHUNK)
        assert value.remove(b"same", count) == 3 * CHUNK
        assert not value.pieces()


def test_a_frozen_list_shows_what_it_held_and_copies_what_changes_only() -> None:
    value = List(numbers(4 * CHUNK))
    chunks = value.freeze()
    value.replace(0, b"changed")
    value.append(b"more")
    value.pop_left()
    value.remove(b"%d" % (CHUNK + 7), 1)
    assert [element for chunk in chunks for element in chunk] == numbers(4 * CHUNK)
    untouched = [chunk for chunk in value.pieces() if any(chunk is each for each in chunks)]
    assert len(untouched) == 2
    value.thaw()
    value.replace(2 * CHUNK + 50, b"in place")
    assert b"in place" in [element for chunk in chunks for element in chunk]


def test_a_list_that_nobody_uses_is_released_in_parts_and_a_frozen_one_is_not_lost() -> None:
    value = List(numbers(3 * CHUNK))
    chunks = value.freeze()
    parts = list(iter(value.release, None))
    assert [len(part) for part in parts] == [CHUNK] * 3
    assert [element for chunk in chunks for element in chunk] == numbers(3 * CHUNK)


# Long strings


def test_zeros_that_nobody_wrote_take_next_to_nothing() -> None:
    value = LongString()
    value.write(512 * MEGABYTE - 1, b"x")
    assert len(value) == 512 * MEGABYTE
    assert value.memory < MEGABYTE
    assert value.slice(0, 5) == bytes(5)
    assert value.slice(512 * MEGABYTE - 3, 512 * MEGABYTE) == b"\0\0x"
    chunks = {id(chunk): len(chunk) for chunk in value.pieces()}
    assert sum(chunks.values()) < MEGABYTE


def test_zeros_that_were_written_to_are_counted() -> None:
    value = LongString(b"x")
    for place in range(100):
        value.write((2 * place + 1) * long_strings.CHUNK - 1, b"xx")
    taken = sum(len(chunk) for chunk in value.pieces() if chunk is not long_strings._ZEROS)
    assert taken <= value.memory - TABLE <= taken + 200 * SLOT


@pytest.mark.parametrize("size", [0, 1, long_strings.CHUNK - 1, long_strings.CHUNK, long_strings.CHUNK + 1, 200_000])
def test_a_long_string_is_what_it_was_made_of(size: int) -> None:
    data = Random(size).randbytes(size)
    value = LongString(data)
    assert (value.joined(), len(value), value.memory) == (data, size, TABLE + size)
    value.write(size, b"end")
    assert value.joined() == data + b"end"
    assert value.copy().joined() == data + b"end"


def test_a_copy_of_a_long_string_goes_its_own_way_and_has_no_more_zeros() -> None:
    value = LongString(b"x" * 100_000)
    value.write(50_000, b"yy")
    value.write(10 * MEGABYTE, b"z")
    copy = value.copy()
    assert (len(copy), copy.memory) == (len(value), value.memory)
    assert copy.memory < MEGABYTE
    whole = value.joined()
    copy.write(0, b"a")
    copy.write(50_001, b"b")
    copy.write(MEGABYTE, b"c")
    copy.write(10 * MEGABYTE, b"dd")
    assert value.joined() == whole
    value.write(0, b"e")
    assert copy.slice(0, 2) + copy.slice(50_000, 50_002) + copy.slice(MEGABYTE, MEGABYTE + 1) == b"axybc"
    assert copy.slice(10 * MEGABYTE, len(copy)) == b"dd"


def test_nothing_is_written_by_no_bytes() -> None:
    value = LongString(b"abc")
    value.write(1, b"")
    value.write(3, b"")
    assert value.joined() == b"abc"


def test_a_frozen_long_string_shows_what_it_held() -> None:
    data = Random(1).randbytes(300_000)
    value = LongString(data)
    value.write(5, b"first")
    held = value.joined()
    chunks = value.freeze()
    for offset in (0, 5, 100_000, 299_990, 400_000):
        value.write(offset, b"changed" * 5)
    assert b"".join(map(bytes, chunks)) == held
    parts = list(iter(value.release, None))
    assert len(parts) >= 1
    assert b"".join(map(bytes, chunks)) == held


def test_one_write_copies_one_chunk() -> None:
    value = LongString(bytes(10 * long_strings.CHUNK))
    before = list(value.pieces())
    value.write(3 * long_strings.CHUNK + 5, b"x")
    assert sum(one is not other for one, other in zip(before, value.pieces())) == 1
    again = list(value.pieces())
    value.write(3 * long_strings.CHUNK + 6, b"y")
    assert all(one is other for one, other in zip(again, value.pieces()))
