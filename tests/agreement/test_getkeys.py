"""COMMAND GETKEYS and GETKEYSANDFLAGS find the keys that Redis finds, in requests of every command."""

from __future__ import annotations

import pytest

from tests import effort
from twisted_kv.declaring.commands import Command

from .requests_introspection import COMMANDS, argument_lists
from .servers import BothServers

pytestmark = pytest.mark.peer

COUNT = 400 if effort.is_long() else effort.examples(25)


@pytest.mark.parametrize("command", COMMANDS, ids=[each.name for each in COMMANDS])
def test_the_keys_of_a_request_are_those_that_redis_finds(servers: BothServers, command: Command) -> None:
    name = command.name.encode().split(b"|")
    for arguments in argument_lists(command, COUNT):
        for what in ("GETKEYS", "GETKEYSANDFLAGS"):
            servers.call("COMMAND", what, *name, *arguments)
