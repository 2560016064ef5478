"""Writes requests by Redis's own description of its commands, so that they share none of our ideas of them."""

from __future__ import annotations

from random import Random
from typing import List, Sequence

import attrs

from .grammar import Argument, Entry, Words
from .grammar_words import (
    ALL_KEYS,
    BIT_OFFSETS,
    BOUNDS,
    BY_KIND,
    BY_NAME,
    JUNK,
    KEYS,
    LEX_BOUNDS,
    NEW_IDS,
    SCORE_BOUNDS,
    SETTING_UP,
    SMALL,
    STREAM_IDS,
    WEIGHTS,
)


@attrs.define
class Writer:
    """Writes requests by chance."""

    chance: Random
    entries: Sequence[Entry]

    def sequence(self, length: int) -> list[Words]:
        """Write requests, of which some set up values, most are about one group and the rest about anything."""
        chance = self.chance
        requests = [tuple(line.split(b" ")) for line in SETTING_UP.split(b"|") if chance.random() < 0.7]
        group = chance.choice(self.entries).group
        of_group = [each for each in self.entries if each.group == group]
        for _ in range(length):
            dice = chance.random()
            if dice < 0.03:
                requests.append((chance.choice([b"MULTI", b"multi", b"EXEC", b"EXEC", b"DISCARD", b"WATCH"]),))
            elif dice < 0.06:
                requests += [(b"MULTI",), *(self.request(chance.choice(self.entries)) for _ in range(4)), (b"EXEC",)]
            else:
                requests.append(self.request(chance.choice(of_group if dice < 0.5 else self.entries)))
        for key in chance.sample(ALL_KEYS, 6):
            requests += [(b"DUMP", key), (b"OBJECT", b"ENCODING", key), (b"PTTL", key)]
        return [*requests, *((b"XINFO", b"STREAM", key, b"FULL", b"COUNT", b"0") for key in (b"x1", b"x2"))]

    def request(self, entry: Entry) -> Words:
        """Write a request of a command, spoilt now and then."""
        if entry.name == (b"command", b"getkeys") or entry.name == (b"command", b"getkeysandflags"):
            return (*map(self._spelled, entry.name), *self.request(self.chance.choice(self.entries)))
        words = [*map(self._spelled, entry.name[1:]), *self._together(entry.arguments, entry)]
        while self.chance.random() < 0.15:
            self._spoil(words)
        return (self._spelled(entry.name[0]), *words)

    def _spoil(self, words: List[bytes]) -> None:
        """Drop, double, swap, add or exchange a word, or cut the rest off."""
        chance = self.chance
        way = chance.randrange(6)
        place = chance.randrange(len(words) + 1)
        if way == 0 or place == len(words):
            words.insert(place, chance.choice(JUNK))
        elif way == 1:
            del words[place]
        elif way == 2:
            words.insert(place, words[place])
        elif way == 3:
            other = chance.randrange(len(words))
            words[place], words[other] = words[other], words[place]
        elif way == 4:
            words[place] = chance.choice(JUNK)
        else:
            del words[place:]

    def _together(self, arguments: Sequence[Argument], entry: Entry) -> List[bytes]:
        """Write arguments that stand side by side: those that come several times come equally often."""
        chance = self.chance
        count = chance.choice([1, 1, 1, 2, 2, 3]) if chance.random() < 0.99 else chance.randrange(100, 600)
        counted = count if chance.random() < 0.95 else chance.randrange(5)
        written: List[bytes] = []
        for argument in self._in_some_order(arguments):
            if argument.name == "numkeys":
                word = b"%d" % counted if chance.random() < 0.95 else chance.choice(BY_KIND["integer"])
                written.append(word)
            else:
                written += self._argument(argument, entry, count)
        return written

    def _in_some_order(self, arguments: Sequence[Argument]) -> list[Argument]:
        """Mix, drop and repeat optional arguments as they stand side by side."""
        chance = self.chance
        mixed = list(arguments)
        for place in range(1, len(mixed)):
            if {"optional"} <= mixed[place].flags & mixed[place - 1].flags and chance.random() < 0.3:
                mixed[place - 1], mixed[place] = mixed[place], mixed[place - 1]
        wanted = chance.choice([0.0, 0.2, 0.4, 0.7])
        kept = [each for each in mixed if "optional" not in each.flags or chance.random() < wanted]
        if kept and "optional" in kept[-1].flags and chance.random() < 0.1:
            kept.append(chance.choice([each for each in kept if "optional" in each.flags]))
        return kept

    def _argument(self, argument: Argument, entry: Entry, count: int) -> List[bytes]:
        if "multiple" not in argument.flags:
            count = 1
        token = [self._spelled(argument.token)] if argument.token else []
        if argument.kind == "pure-token":
            return token
        if "multiple_token" in argument.flags:
            return [word for _ in range(count) for word in (*token, *self._content(argument, entry))]
        return token + [word for _ in range(count) for word in self._content(argument, entry)]

    def _content(self, argument: Argument, entry: Entry) -> List[bytes]:
        if argument.kind == "oneof":
            return self._argument(self.chance.choice(argument.parts), entry, self.chance.choice([1, 1, 2]))
        if argument.kind == "block":
            return self._together(argument.parts, entry)
        return [self._word(argument, entry)]

    def _word(self, argument: Argument, entry: Entry) -> bytes:
        chance = self.chance
        if argument.kind == "key":
            return chance.choice(KEYS[entry.group] if chance.random() < 0.8 and entry.group in KEYS else ALL_KEYS)
        dice = chance.random()
        if dice < 0.04:
            return chance.choice(JUNK)
        if dice < 0.12:
            return self._number(argument.kind)
        if argument.name in ("seconds", "milliseconds", "ms", "ttl") and dice < 0.6:
            return b"%d" % chance.randrange(100_000, 10**9)
        if argument.name.startswith("unix-time") and dice < 0.6:
            return b"%d" % (chance.randrange(4_102_444_800, 8_000_000_000) * (1000 if "milli" in argument.name else 1))
        return chance.choice(self._choices(argument, entry, dice))

    def _number(self, kind: str) -> bytes:
        """Write any number, or nearly one."""
        chance = self.chance
        number = chance.choice([chance.uniform(-200, 200), chance.uniform(-1e20, 1e20), chance.expovariate(1) ** 9])
        if kind == "double" or chance.random() < 0.3:
            return (chance.choice(["%r", "%.3f", "%g", "%.17g", "%e", "%.0f", "%f"]) % number).encode()
        return b"%d" % chance.choice([chance.randrange(-300, 300), round(number), -(2**63) + chance.randrange(3)])

    def _choices(self, argument: Argument, entry: Entry, dice: float) -> Sequence[bytes]:
        name, command = argument.name, entry.name[0]
        if command.startswith(b"sort") and argument.kind == "pattern":
            return WEIGHTS
        if command == b"xadd" and name == "id" and dice < 0.8:
            return NEW_IDS
        if command in (b"xgroup", b"xread", b"xreadgroup") and name == "id":
            return [b">", b"$", b"0", *STREAM_IDS] if dice < 0.5 else [b">", b"0"]
        if entry.group == "bitmap" and name == "offset":
            return BIT_OFFSETS
        if name in BOUNDS and argument.kind != "integer":
            return self._bounds(entry, dice)
        return BY_NAME[name] if name in BY_NAME else BY_KIND[argument.kind]

    def _bounds(self, entry: Entry, dice: float) -> Sequence[bytes]:
        if entry.group == "stream":
            return [b"-", b"+"] if dice < 0.3 else STREAM_IDS
        command = entry.name[0]
        if b"lex" in command:
            return LEX_BOUNDS
        if command in (b"zrange", b"zrangestore"):
            return [*SMALL, *SMALL, *SCORE_BOUNDS, *LEX_BOUNDS]
        return SCORE_BOUNDS

    def _spelled(self, word: bytes) -> bytes:
        dice = self.chance.random()
        return word.upper() if dice < 0.7 else word.lower() if dice < 0.9 else word.swapcase().title()
