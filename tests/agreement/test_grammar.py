"""Requests written by Redis's own description of its commands get the same replies, and leave the same keys."""

from __future__ import annotations

from random import Random

import pytest

from tests import effort

from .grammar import Entry, is_read, read_grammar
from .grammar_play import play, shortest
from .grammar_writer import Writer
from .replies import parse
from .requests_introspection import COMMANDS
from .servers import BothServers

pytestmark = [pytest.mark.peer, pytest.mark.timeout(7200)]

SEQUENCES = 2_000 if effort.is_long() else effort.examples(20)


@pytest.fixture(scope="module")
def grammar(servers: BothServers) -> list[Entry]:
    """What Redis says of all commands that can be compared."""
    return read_grammar(parse(servers.ask_real("COMMAND", "DOCS"))[0], [each.name for each in COMMANDS])


def test_every_command_is_described(grammar: list[Entry]) -> None:
    assert {b"|".join(each.name).decode() for each in grammar} == {each.name for each in COMMANDS if is_read(each.name)}


@pytest.mark.parametrize("part", range(8))
def test_requests_by_the_grammar_of_redis_agree(servers: BothServers, grammar: list[Entry], part: int) -> None:
    for number in range(SEQUENCES):
        chance = Random(f"{part} {number}")  # text gives the same sequence in every process
        requests = Writer(chance, grammar).sequence(chance.choice([10, 20, 40, 80]))
        resp = chance.choice([2, 3])
        try:
            play(servers, requests, resp)
        except AssertionError:
            play(servers, shortest(servers, requests, resp), resp)
            raise
