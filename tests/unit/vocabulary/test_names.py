"""What clients know of commands by their names is what the declarations say."""

from __future__ import annotations

import pytest

from twisted_kv.commands import GROUPS
from twisted_kv.declaring.commands import Lasting
from twisted_kv.vocabulary.command_names import (
    BLOCK_OPTION,
    LISTENING,
    OF_CONNECTION,
    READ_ONLY,
    TIMEOUT_FIRST,
    TIMEOUT_LAST,
    waiting_seconds,
)

COMMANDS = {name: command for group in GROUPS for name, command in group.commands.items()}


def test_what_may_be_sent_twice_is_what_only_reads() -> None:
    declared = {name for name, command in COMMANDS.items() if "readonly" in command.flags}
    assert declared | {b"ping", b"echo", b"time"} == READ_ONLY


def test_what_may_wait_is_what_blocks() -> None:
    declared = {name for name, command in COMMANDS.items() if "blocking" in command.flags}
    assert declared == TIMEOUT_LAST | TIMEOUT_FIRST | BLOCK_OPTION


def test_what_holds_for_a_connection_changes_it() -> None:
    assert all(COMMANDS[name].changes_session for name in OF_CONNECTION)


def test_what_listens_needs_a_connection() -> None:
    declared = {name for name, command in COMMANDS.items() if command.lasting is Lasting.CONNECTION}
    assert declared == LISTENING


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("BLPOP a b 2.5", 2.5),
        ("blpop a 0", 0.0),
        ("BLPOP a x", None),
        ("BLPOP", None),
        ("BLMPOP 3 1 a LEFT", 3.0),
        ("BLMPOP", None),
        ("XREAD BLOCK 1500 STREAMS s $", 1.5),
        ("XREAD COUNT 1 STREAMS s $", None),
        ("XREAD STREAMS BLOCK 5", None),
        ("XREADGROUP GROUP g c BLOCK 0 STREAMS s >", 0.0),
        ("XREAD", None),
        ("GET BLOCK", None),
    ],
)
def test_how_long_a_request_may_wait(line: str, seconds: float | None) -> None:
    assert waiting_seconds(line.encode().split()) == seconds
