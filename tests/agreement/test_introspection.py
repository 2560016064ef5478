"""COMMAND says of each of our commands what Redis's says."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_kv.commands import GROUPS
from twisted_kv.declaring.table import CommandTable

from .accepted import NEWER_THAN_REDIS_7_0
from .replies import parse
from .servers import BothServers

pytestmark = pytest.mark.peer

TABLE = CommandTable(GROUPS)
NAMES = sorted(each.name for each in TABLE.every() if each.name not in NEWER_THAN_REDIS_7_0)
WITH_SUBCOMMANDS = sorted(each.name for each in TABLE if each.subcommands)
PARTS = ["name", "arity", "flags", "first key", "last key", "step", "ACL categories", "tips", "key specifications"]


def described(reply: bytes) -> dict[str, Any]:
    """Take the first entry of COMMAND INFO apart, without subcommands."""
    (_, [(_, parts)]), _ = parse(reply)
    return dict(zip(PARTS, parts))


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.every(5)
def test_a_command_is_described_as_in_redis(servers: BothServers, name: str, resp: int) -> None:
    servers.begin(resp)
    theirs, ours = servers.both("COMMAND", "INFO", name)
    assert described(ours) == described(theirs)


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("name", sorted(set(NAMES) - set(WITH_SUBCOMMANDS)))
@pytest.mark.every(5)
def test_the_raw_description_is_the_same_to_the_byte(servers: BothServers, name: str, resp: int) -> None:
    servers.begin(resp)
    theirs, ours = servers.both("COMMAND", "INFO", name)
    assert ours == theirs


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("name", WITH_SUBCOMMANDS)
def test_subcommands_come_in_the_same_kind_of_list(servers: BothServers, name: str, resp: int) -> None:
    servers.begin(resp)
    theirs, ours = (parse(reply)[0][1][0][1][9] for reply in servers.both("COMMAND", "INFO", name))
    assert ours[0] == theirs[0]


@pytest.mark.parametrize("name", WITH_SUBCOMMANDS)
def test_each_subcommand_is_one_of_redis(both: BothServers, name: str) -> None:
    theirs, ours = (
        {entry[1][0][1].decode() for entry in parse(reply)[0][1][0][1][9][1]}
        for reply in both.both("COMMAND", "INFO", name)
    )
    assert ours - NEWER_THAN_REDIS_7_0 <= theirs
    assert ours == {each.name for each in TABLE.every() if each.name.startswith(f"{name}|")}


def test_every_command_is_one_of_redis(both: BothServers) -> None:
    theirs, ours = ({entry[1][0] for entry in parse(reply)[0][1]} for reply in both.both("COMMAND"))
    assert ours <= theirs


def docs(reply: bytes) -> dict[bytes, Any]:
    """Give what COMMAND DOCS says of the first command, by field."""
    _, items = parse(reply)[0]
    assert len(items) == 2
    fields = items[1][1]
    return {name[1]: value for name, value in zip(fields[::2], fields[1::2])}


@pytest.mark.parametrize("field", [b"since", b"group", b"doc_flags"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.every(5)
def test_the_documents_agree_on_what_is_not_prose(both: BothServers, name: str, field: bytes) -> None:
    theirs, ours = map(docs, both.both("COMMAND", "DOCS", name))
    assert ours.get(field) == theirs.get(field)


@pytest.mark.parametrize("name", NAMES)
def test_the_documents_have_prose(both: BothServers, name: str) -> None:
    ours = docs(both.ask_ours("COMMAND", "DOCS", name))
    assert ours[b"summary"][1]
    assert ours[b"complexity"][1]


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize(
    "names",
    [
        ["nope"],
        ["get", "nope", "SET"],
        ["GET", "STRLEN"],
        ["config|get"],
        ["config|nope"],
        ["get|x"],
        [""],
        ["|"],
        ["config|"],
    ],
)
@pytest.mark.parametrize("what", ["INFO", "DOCS"])
def test_names_are_looked_up_as_in_redis(servers: BothServers, what: str, names: list[str], resp: int) -> None:
    servers.begin(resp)
    theirs, ours = servers.both("COMMAND", what, *names)
    if what == "DOCS":
        theirs, ours = (b" ".join(name for _, name in parse(reply)[0][1][::2]) for reply in (theirs, ours))
    assert ours == theirs


GROUPS_OF_DATA = (
    b"string", b"generic", b"hash", b"list", b"set", b"sorted-set", b"bitmap", b"hyperloglog", b"geo", b"stream",
    b"transactions",
)  # fmt: skip


def test_of_the_groups_of_data_only_these_commands_are_not_here(both: BothServers) -> None:
    _, items = parse(both.ask_real("COMMAND", "DOCS"))[0]
    groups = {name[1]: dict(zip(docs[1][::2], docs[1][1::2]))[(b"$", b"group")] for name, docs in _pairs(items)}
    theirs = {name for name, (_, group) in groups.items() if group in GROUPS_OF_DATA}
    assert theirs - {each.name.encode() for each in TABLE} == {b"migrate"}


def _pairs(items: list[Any]) -> list[tuple[Any, Any]]:
    return list(zip(items[::2], items[1::2]))


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize(
    "words",
    [
        ["FILTERBY"], ["FILTERBY", "ACLCAT"], ["FILTERBY", "NOPE", "x"], ["NOPE"], ["FILTERBY", "ACLCAT", "nope"],
        ["FILTERBY", "MODULE", "x"], ["FILTERBY", "PATTERN", "GET"], ["FILTERBY", "PATTERN", "object|fr*"],
        ["FILTERBY", "PATTERN", "nope"], ["FILTERBY", "PATTERN", "a", "b"], ["filterby", "Pattern", "xgroup|*create"],
        *(["FILTERBY", "ACLCAT", name] for name in "geo GEO hash list set sortedset bitmap stream string".split()),
        ["FILTERBY", "ACLCAT", "hyperloglog"], ["FILTERBY", "ACLCAT", "transaction"],
        ["FILTERBY", "PATTERN", "z*"], ["FILTERBY", "PATTERN", "h[a-z]*"],
    ],
)  # fmt: skip
def test_command_list_filters_as_redis_does(servers: BothServers, words: list[str], resp: int) -> None:
    servers.begin(resp)
    theirs, ours = servers.both("COMMAND", "LIST", *words)
    if theirs[:1] == b"-":
        assert ours == theirs
    else:
        (mark, first), (other_mark, second) = parse(theirs)[0], parse(ours)[0]
        assert mark == other_mark
        assert sorted(first) == sorted(second)
