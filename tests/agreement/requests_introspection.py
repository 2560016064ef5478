"""Argument lists for every command of the table: sound ones, and words in any order."""

from __future__ import annotations

from random import Random
from typing import Iterator, List, Tuple

from twisted_kv.commands import GROUPS
from twisted_kv.declaring.commands import MANY, Command
from twisted_kv.declaring.table import CommandTable

from .accepted import NEWER_THAN_REDIS_7_0

Words = Tuple[bytes, ...]

TABLE = CommandTable(GROUPS)
COMMANDS = sorted(
    (each for each in TABLE.every() if each.name not in NEWER_THAN_REDIS_7_0 and not each.subcommands),
    key=lambda each: each.name,
)

_KEYS = [b"a", b"b", b"", b"\xff", b"store", b"get"]
_NUMBERS = [b"0", b"1", b"1", b"2", b"2", b"3", b"-1", b"7", b"x", b"01", b" 1", b"1.5", b"9223372036854775807"]
_KEYWORDS = (
    b"STREAMS STORE STOREDIST GET BY LIMIT ASC WEIGHTS COUNT BLOCK GROUP NX XX EX LEFT MAX SET INCRBY OVERFLOW WRAP u8 "
    b"#0 NOACK REPLACE DB WITHSCORES AGGREGATE streams store STREAMS\0x AND CREATE"
).split()

_USUAL = {
    "xread": [b"COUNT 1 STREAMS a b 0 0", b"BLOCK 0 STREAMS a 0", b"STREAMS a b 0", b"STREAMS a", b"a STREAMS b 0"],
    "xreadgroup": [b"GROUP g c STREAMS a b 0 >", b"GROUP STREAMS c STREAMS a >", b"GROUP g c NOACK COUNT STREAMS a >"],
    "sort": [b"a", b"a STORE b", b"a BY STORE c", b"a LIMIT 0 STORE STORE c", b"a STORE b STORE c", b"a GET # STORE"],
    "sort_ro": [b"a", b"a STORE b", b"a BY b GET c"],
    "georadius": [b"a 1 1 1 m", b"a 1 1 1 m STORE b", b"a 1 1 1 m STORE b STOREDIST c", b"a 1 1 1 m STORE"],
    "georadiusbymember": [b"a x 1 m", b"a x 1 m STORE b", b"a x 1 m STOREDIST b STORE c", b"a STORE 1 m x STORE"],
    "zunionstore": [b"a 2 b c", b"a 2 b", b"a 0", b"a 1 b WEIGHTS 1", b"a x b c"],
    "set": [b"a b", b"a b GET", b"a get", b"a b NX get EX 1"],
    "bitfield": [
        b"a",
        b"a GET u8 0",
        b"a SET u8 0 1",
        b"a GET SET 0 SET u8 0 1",
        b"a OVERFLOW SET",
        b"a INCRBY u8 0 1",
    ],
    "lmpop": [b"2 a b LEFT", b"1 a LEFT COUNT 1", b"3 a b LEFT"],
    "blmpop": [b"0 2 a b LEFT", b"0 1 a LEFT", b"1 3 a b LEFT"],
}
"""What is likely to be read wrongly: places of keys that depend on other words."""


def argument_lists(command: Command, count: int) -> Iterator[Words]:
    """Give argument lists for a command, the same each time."""
    for line in _USUAL.get(command.name, ()):
        yield tuple(line.split(b" "))
    random = Random(command.name)  # text gives the same sequence in every process
    for _ in range(count):
        yield tuple(_word(random) for _ in range(_length(random, command)))


def _length(random: Random, command: Command) -> int:
    """Give a number of words that the command may take, or one that it may not."""
    least = command.least - command.skip
    most = least + 6 if command.most == MANY else command.most - command.skip + 1
    return random.randint(max(0, least - 1), most)


def _word(random: Random) -> bytes:
    choices: List[List[bytes]] = [_KEYS, _KEYS, _NUMBERS, _KEYWORDS]
    return random.choice(random.choice(choices))
