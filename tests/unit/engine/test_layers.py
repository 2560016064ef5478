"""Layers around the functions of commands: in one order, however they are switched, and nothing where they are off."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import pytest

from twisted_kv.declaring.commands import Command, Function
from twisted_kv.declaring.groups import Group
from twisted_kv.declaring.table import CommandTable
from twisted_kv.engine import layers as module
from twisted_kv.engine.layers import Layer, Layers
from twisted_kv.testing import MemoryCache
from twisted_kv.vocabulary.replies import Reply

NAMES = ("inner", "middle", "outer")


@pytest.fixture
def layers(monkeypatch: pytest.MonkeyPatch) -> Layers:
    monkeypatch.setattr(module, "ORDER", NAMES)
    return Layers()


def around(name: str) -> Layer:
    """A layer that puts its name around the reply, of all commands but QUIET."""

    def layer(command: Command, function: Function) -> Function:
        if command.name == "quiet":
            return function
        return lambda session, *words: f"{name}({function(session, *words)})"

    return layer


def table_of(layers: Layers) -> CommandTable:
    group = Group("example")

    @group.command("LOUD", since="1.0.0")
    def loud(session: Any) -> Reply:
        return "loud"

    @group.command("QUIET", since="1.0.0")
    def quiet(session: Any) -> Reply:
        return "quiet"

    table = CommandTable([group], layers)
    layers.changed = table.recompose
    return table


def called(table: CommandTable, name: bytes) -> Any:
    return table.entry_of([name]).function(None)


@pytest.mark.pure
@pytest.mark.parametrize("on", list(permutations(NAMES)))
@pytest.mark.parametrize("off", list(permutations(NAMES)))
def test_layers_stand_in_their_order_however_they_are_switched(
    layers: Layers, on: tuple[str, ...], off: tuple[str, ...]
) -> None:
    table = table_of(layers)
    early = called(table, b"LOUD")
    switched: set[str] = set()
    for (name, is_on), rest in zip([*product(on, [True]), *product(off, [False])], range(6)):
        layers.switch(name, around(name) if is_on else None)
        switched = switched | {name} if is_on else switched - {name}
        expected = "loud"
        for each in NAMES:
            if each in switched:
                expected = f"{each}({expected})"
        assert called(table, b"LOUD") == expected, rest
        assert called(table, b"QUIET") == "quiet"
    assert called(table, b"LOUD") == early == "loud"


@pytest.mark.pure
def test_a_layer_that_is_off_or_has_nothing_to_do_leaves_no_trace(layers: Layers) -> None:
    table = table_of(layers)
    layers.switch("middle", around("middle"))
    entry = table.entry_of([b"QUIET"])
    assert entry.function is entry.command.function
    layers.switch("middle", None)
    layers.switch("middle", None)
    entry = table.entry_of([b"LOUD"])
    assert entry.function is entry.command.function


@pytest.mark.pure
def test_a_layer_that_is_put_on_while_the_journal_is_open_stays_when_that_closes(
    cache: MemoryCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the journal wrapped functions by itself: what was put around them meanwhile was lost with it."""
    from twisted_kv.persistence.journal import Journal

    monkeypatch.setattr(module, "ORDER", ("waiting", "journal", "outer"))
    dispatcher = cache.service.dispatcher
    seen: list[str] = []

    def watching(command: Command, function: Function) -> Function:
        def run(session: Any, *words: bytes) -> Reply:
            seen.append(command.name)
            return function(session, *words)

        return run

    noted: list[Any] = []
    journal = Journal(dispatcher, noted.append)
    journal.open()
    dispatcher.layers.switch("outer", watching)
    cache.call("SET", "k", 1)
    journal.close()
    cache.call("SET", "k", 2)
    assert (seen, len(noted)) == (["set", "set"], 1)
    dispatcher.layers.switch("outer", None)
    cache.call("SET", "k", 3)
    assert len(seen) == 2
