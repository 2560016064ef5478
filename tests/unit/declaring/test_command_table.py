"""What a command declares, and how a request finds its command."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_kv.commands import GROUPS
from twisted_kv.declaring.commands import MANY, Lasting
from twisted_kv.declaring.groups import Group, every, first, second
from twisted_kv.declaring.table import CommandTable
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import OK, Reply


@pytest.fixture
def group() -> Group:
    group = Group("example", category="string")

    @group.command("LOOK", since="1.0.0", flags="readonly fast no_auth", keys=first("RO access"), tips="one two")
    def look(session: Any, key: bytes) -> Reply:
        """Look at a key.

        And this is more about it.
        """
        return key

    @group.command("MAYBE", since="1.0.0", flags="write", categories="keyspace dangerous", doc_flags="deprecated")
    def maybe(session: Any, key: bytes, option: bytes = b"") -> Reply:
        return OK

    @group.command("ALL", since="1.0.0", flags="admin pubsub blocking", keys=every("RW update", step=2))
    def all_(session: Any, *words: bytes) -> Reply:
        return OK

    @group.command("PAIR", since="1.0.0", keys=first("RW") + second("OW"))
    def pair(session: Any, key: bytes, other: bytes) -> Reply:
        return OK

    group.container("BOX", since="2.0.0", summary="Holds things.")

    @group.command("BOX OPEN", since="2.0.0", lasting=Lasting.SESSION)
    def open_(session: Any, *words: bytes) -> Reply:
        """Open it."""
        return OK

    return group


@pytest.fixture
def table(group: Group) -> CommandTable:
    return CommandTable([group])


@pytest.mark.parametrize(
    ("name", "arity", "least", "most"),
    [
        (b"look", 2, 2, 2),
        (b"maybe", -2, 2, 3),
        (b"all", -1, 1, MANY),
        (b"pair", 3, 3, 3),
        (b"box|open", -2, 2, MANY),
        (b"box|help", 2, 2, 2),
    ],
)
def test_the_arity_is_the_signature(table: CommandTable, name: bytes, arity: int, least: int, most: int) -> None:
    command = table.named(name)
    assert command is not None
    assert (command.arity, command.least, command.most) == (arity, least, most)


def test_the_summary_is_the_first_line_of_the_docstring(table: CommandTable) -> None:
    summaries = {command.name: command.summary for command in table.every()}
    assert summaries["look"] == "Look at a key."
    assert summaries["maybe"] == ""
    assert summaries["box"] == "Holds things."


@pytest.mark.parametrize(
    ("name", "categories"),
    [
        (b"look", ["read", "string", "fast"]),
        (b"maybe", ["keyspace", "write", "slow", "dangerous"]),
        (b"all", ["string", "pubsub", "admin", "slow", "blocking", "dangerous"]),
    ],
)
def test_acl_categories_follow_from_flags_and_group(table: CommandTable, name: bytes, categories: list[str]) -> None:
    command = table.named(name)
    assert command is not None
    assert command.acl_categories() == categories


def test_a_command_is_found_in_any_case(table: CommandTable) -> None:
    assert table.find([b"lOOk"]) is table.find([b"LOOK"]) is table.find([b"look"])
    assert table.find([b"Box", b"oPEN"]).name == "box|open"
    assert table.find([b"box"]).name == "box"


def test_a_command_is_named_in_full(table: CommandTable) -> None:
    named = [table.named(name) for name in (b"LOOK", b"box", b"BOX|Open", b"nope", b"box|nope", b"look|x")]
    assert [None if each is None else each.name for each in named] == ["look", "box", "box|open", None, None, None]


def test_a_table_has_the_commands_in_the_order_of_their_groups(table: CommandTable) -> None:
    assert len(table) == 5
    assert [command.name for command in table] == ["look", "maybe", "all", "pair", "box"]


def test_what_needs_no_more_questions_is_found_by_its_usual_spellings(table: CommandTable) -> None:
    for words in ([b"LoOk"], [b"box"], [b"box", b"open"], [b"LOOK"], [b"maybe"]):
        table.call_at_once(words[0], table.entry_of(words))
    assert [sorted(names) for names in table.at_once] == [[b"LOOK", b"maybe"]] * 5
    table.clear_at_once()
    assert table.at_once == [{}, {}, {}, {}, {}]


def test_who_may_call_a_command_at_once_depends_on_what_it_changes_and_how_long_it_lasts() -> None:
    group = Group("example")

    @group.command("LONG", since="1.0.0", lasting=Lasting.SESSION)
    def long_(session: Any) -> Reply:
        return OK

    @group.command("CHANGES", since="1.0.0", lasting=Lasting.DATAGRAM, changes_session=True)
    def changes(session: Any) -> Reply:
        return OK

    @group.command("LISTENS", since="1.0.0", lasting=Lasting.CONNECTION)
    def listens(session: Any) -> Reply:
        return OK

    table = CommandTable([group])
    for name in (b"long", b"changes", b"listens"):
        table.call_at_once(name, table.entry_of([name]))
    assert [sorted(names) for names in table.at_once] == [
        [],
        [b"changes"],
        [b"changes", b"long"],
        [b"changes", b"listens", b"long"],
        [b"long"],
    ]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([b"nope"], "ERR unknown command 'nope', with args beginning with: "),
        ([b"Nope", b"a", b"b c"], "ERR unknown command 'Nope', with args beginning with: 'a' 'b c' "),
        (
            [b"x" * 200, b"y" * 200, b"z"],
            f"ERR unknown command '{'x' * 128}', with args beginning with: '{'y' * 128}' ",
        ),
        ([b"a\0b", b"c\0d"], "ERR unknown command 'a', with args beginning with: 'c' "),
        ([b"\xff"], "ERR unknown command '\udcff', with args beginning with: "),
        ([b"box", b"shut"], "ERR unknown subcommand 'shut'. Try BOX HELP."),
        ([b"box", b"s" * 200], f"ERR unknown subcommand '{'s' * 128}'. Try BOX HELP."),
    ],
)
def test_what_is_no_command_gets_redis_text(table: CommandTable, words: list[bytes], error: str) -> None:
    with pytest.raises(CommandError) as caught:
        table.find(words)
    assert str(caught.value) == error


def test_a_container_is_never_called(table: CommandTable) -> None:
    command = table.find([b"box"])
    assert (command.least, command.most) == (2, MANY)
    with pytest.raises(AssertionError):
        command.function(None, b"x")


def test_help_lists_the_subcommands_of_its_container(table: CommandTable) -> None:
    lines = table.find([b"box", b"help"]).function(None)
    assert lines[0] == b"BOX <subcommand> [<arg> ...]. Subcommands are:"
    assert b"OPEN" in lines
    assert b"    Open it." in lines


def test_two_tables_count_apart_and_change_apart(group: Group) -> None:
    one, other = CommandTable([group]), CommandTable([group])
    for words in ([b"look"], [b"box", b"open"]):
        mine, theirs = one.entry_of(words), other.entry_of(words)
        assert mine.command is theirs.command
        mine.calls = mine.failed = mine.rejected = 3
        assert (theirs.calls, theirs.failed, theirs.rejected) == (0, 0, 0)
        mine.reset_statistics()
        assert (mine.calls, mine.failed, mine.rejected) == (0, 0, 0)


def test_arguments_start_behind_the_name(table: CommandTable) -> None:
    assert table.find([b"look"]).skip == 1
    assert table.find([b"box", b"open"]).skip == 2


def test_an_entry_is_made_when_its_command_is_asked_for(table: CommandTable) -> None:
    assert table.entries() == []
    pair, look = table.entry_of([b"pair"]), table.entry_of([b"look"])
    assert table.entry_of([b"LOOK"]) is look
    assert table.entries() == [look, pair]


def test_a_declaration_is_not_changed(table: CommandTable) -> None:
    with pytest.raises(AttributeError):
        table.find([b"look"]).summary = "another"  # type: ignore[misc]  # as the test says


COMMANDS = list(CommandTable(GROUPS).every())


@pytest.mark.parametrize("command", COMMANDS, ids=[command.name for command in COMMANDS])
def test_every_command_says_what_it_does(command: Any) -> None:
    assert command.summary.endswith(".")
    assert len(command.summary) < 120
    assert command.since.count(".") == 2
    assert command.complexity
    assert not ({"write", "readonly"} <= set(command.flags))


def test_what_cannot_be_declared_is_refused_at_once() -> None:
    group = Group("example")

    async def waits(session: Any) -> Reply:
        return OK

    def with_keywords(session: Any, *, option: int = 1) -> Reply:
        return OK

    def with_more(session: Any, **options: int) -> Reply:
        return OK

    for function in (waits, with_keywords, with_more):
        with pytest.raises(TypeError, match=function.__name__):
            group.command("NAME", since="1.0.0")(function)
    with pytest.raises(ValueError, match="NAME: no such flag: wrte"):
        group.command("NAME", since="1.0.0", flags="wrte fast")
    with pytest.raises(ValueError, match="the container BOX was not declared before"):
        group.command("BOX OPEN", since="1.0.0")(lambda session: OK)
    assert group.commands == {}
