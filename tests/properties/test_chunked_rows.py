"""Generated cases for the values that are rows of chunks, lists and long strings: each is like what Python has."""

from __future__ import annotations

from typing import Any
from unittest import mock

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from twisted_kv.values import lists, long_strings
from twisted_kv.values.lists import List
from twisted_kv.values.long_strings import LongString
from twisted_kv.values.sizes import SLOT, TABLE

ELEMENTS = st.sampled_from([b"a", b"b", b"c", b"", b"long" * 20])
PLACES = st.integers(0, 1 << 30)
COUNTS = st.integers(-6, 6)


class ListMachine(RuleBasedStateMachine):
    """A list of very small chunks, and one of Python's; now and then it is frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = mock.patch.object(lists, "CHUNK", 4)
        self.patch.start()
        self.list = List()
        self.model: list[bytes] = []
        self.frozen: tuple[list[list[bytes]], list[bytes]] | None = None

    def teardown(self) -> None:
        self.patch.stop()

    def place(self, number: int) -> int:
        return number % len(self.model)

    @initialize(elements=st.lists(ELEMENTS, max_size=60))
    def fill(self, elements: list[bytes]) -> None:
        self.list = List(elements)
        self.model = list(elements)

    @rule(element=ELEMENTS, times=st.integers(1, 9))
    def append(self, element: bytes, times: int) -> None:
        for _ in range(times):
            self.list.append(element)
        self.model += [element] * times

    @rule(element=ELEMENTS, times=st.integers(1, 9))
    def append_left(self, element: bytes, times: int) -> None:
        for _ in range(times):
            self.list.append_left(element)
        self.model[:0] = [element] * times

    @rule(elements=st.lists(ELEMENTS, max_size=20))
    def extend(self, elements: list[bytes]) -> None:
        self.list.extend(elements)
        self.model.extend(elements)

    @rule(times=st.integers(1, 9), left=st.booleans())
    def pop(self, times: int, left: bool) -> None:
        for _ in range(min(times, len(self.model))):
            assert (self.list.pop_left() if left else self.list.pop()) == self.model.pop(0 if left else -1)

    @precondition(lambda self: self.model)
    @rule(place=PLACES, element=ELEMENTS)
    def replace(self, place: int, element: bytes) -> None:
        self.list.replace(self.place(place), element)
        self.model[self.place(place)] = element

    @precondition(lambda self: self.model)
    @rule(place=PLACES, element=ELEMENTS, times=st.integers(1, 9))
    def insert(self, place: int, element: bytes, times: int) -> None:
        place = self.place(place)
        for _ in range(times):
            self.list.insert(place, element)
            self.model.insert(place, element)

    @rule(element=ELEMENTS, count=COUNTS)
    def remove(self, element: bytes, count: int) -> None:
        places = [place for place, each in enumerate(self.model) if each == element]
        gone = places[count:] if count < 0 else places[: count or None]
        assert self.list.remove(element, count) == len(gone)
        for place in reversed(gone):
            del self.model[place]

    @rule(start=PLACES, stop=PLACES)
    def keep(self, start: int, stop: int) -> None:
        start, stop = start % (len(self.model) + 1), stop % (len(self.model) + 1)
        kept = self.model[start:stop]
        assert self.list.keep(start, stop) == len(self.model) - len(kept)
        self.model = kept

    @rule(start=PLACES, stop=PLACES, element=ELEMENTS)
    def look(self, start: int, stop: int, element: bytes) -> None:
        start, stop = start % (len(self.model) + 1), stop % (len(self.model) + 1)
        assert self.list.slice(start, stop) == self.model[start:stop]
        assert self.list.index(element) == (self.model.index(element) if element in self.model else None)
        if self.model:
            assert self.list.get(self.place(start)) == self.model[self.place(start)]

    @rule()
    def copy(self) -> None:
        own = self.list.copy()
        own.append_left(b"of its own")
        own.replace(len(own) - 1, b"other")
        assert own.memory == List(own).memory

    @precondition(lambda self: self.frozen is None)
    @rule()
    def freeze(self) -> None:
        self.frozen = self.list.freeze(), self.model.copy()

    @precondition(lambda self: self.frozen is not None)
    @rule()
    def thaw(self) -> None:
        self.list.thaw()
        self.frozen = None

    @invariant()
    def it_is_like_the_other(self) -> None:
        assert list(self.list) == self.model
        assert list(reversed(self.list)) == self.model[::-1]
        assert len(self.list) == len(self.model)
        assert bool(self.list) is bool(self.model)
        assert self.list.memory == List(self.model).memory
        assert all(0 < len(chunk) <= 512 for chunk in self.list.pieces())
        if self.frozen is not None:
            chunks, held = self.frozen
            assert [element for chunk in chunks for element in chunk] == held


class LongStringMachine(RuleBasedStateMachine):
    """A long string of very small chunks, and a bytearray; now and then it is frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = [mock.patch.multiple(long_strings, CHUNK=32, _ZEROS=bytes(32))]
        for patch in self.patches:
            patch.start()
        self.string = LongString()
        self.model = bytearray()
        self.frozen: tuple[list[Any], bytes] | None = None

    def teardown(self) -> None:
        for patch in self.patches:
            patch.stop()

    @initialize(data=st.binary(max_size=200))
    def fill(self, data: bytes) -> None:
        self.string = LongString(data)
        self.model = bytearray(data)

    @rule(place=PLACES, data=st.binary(max_size=100))
    def write(self, place: int, data: bytes) -> None:
        place %= len(self.model) + 1
        self.string.write(place, data)
        self.model[place : place + len(data)] = data

    @precondition(lambda self: len(self.model) < 2000)
    @rule(beyond=st.integers(0, 200), data=st.binary(min_size=1, max_size=70))
    def write_beyond_the_end(self, beyond: int, data: bytes) -> None:
        self.string.write(len(self.model) + beyond, data)
        self.model += bytes(beyond) + data

    @rule(start=PLACES, stop=PLACES)
    def slice(self, start: int, stop: int) -> None:
        start, stop = start % (len(self.model) + 1), stop % (len(self.model) + 1)
        assert self.string.slice(start, stop) == bytes(self.model[start:stop])

    @rule()
    def copy(self) -> None:
        own = self.string.copy()
        own.write(0, b"own")
        assert own.joined() == b"own" + bytes(self.model[3:])

    @precondition(lambda self: self.frozen is None)
    @rule()
    def freeze(self) -> None:
        self.frozen = self.string.freeze(), bytes(self.model)

    @precondition(lambda self: self.frozen is not None)
    @rule()
    def thaw(self) -> None:
        self.string.thaw()
        self.frozen = None

    @invariant()
    def it_is_like_the_other(self) -> None:
        assert self.string.joined() == b"".join(map(bytes, self.string.pieces())) == bytes(self.model)
        assert len(self.string) == len(self.model)
        chunks = self.string.pieces()
        taken = sum(len(chunk) for chunk in chunks if chunk is not long_strings._ZEROS)
        assert taken <= self.string.memory - TABLE <= taken + SLOT * len(chunks)
        if self.frozen is not None:
            held, data = self.frozen
            assert b"".join(map(bytes, held)) == data


TestLists = ListMachine.TestCase
TestLongStrings = LongStringMachine.TestCase
