"""How the values of settings are parsed and formatted: one class for each kind."""

from __future__ import annotations

import ipaddress
import os
from typing import Any, Final, FrozenSet

import attrs

from twisted_kv.vocabulary import keyspace_events
from twisted_kv.vocabulary.numbers import INT32_MAX, parse_integer


class Kind:
    """Parses and formats the value of a setting.  `parse` raises ValueError with Redis's text."""

    placeholder = "TEXT"
    repeatable = False

    def parse(self, text: str) -> Any:
        return text

    def format(self, value: Any) -> str:
        return str(value)

    def merge(self, old: Any, new: Any) -> Any:
        """Return the value of a setting after `new` is assigned to it: for most kinds, `new`."""
        return new


@attrs.frozen
class Integer(Kind):
    """A whole number between two bounds."""

    least: int
    most: int
    placeholder = "N"

    def parse(self, text: str) -> int:
        value = parse_integer(text.encode("utf-8", "surrogateescape"))
        if value is None:
            raise ValueError("argument couldn't be parsed into an integer")
        return self._bounded(value)

    def _bounded(self, value: int) -> int:
        if not self.least <= value <= self.most:
            raise ValueError(f"argument must be between {self.least} and {self.most} inclusive")
        return value


class Memory(Integer):
    """A number of bytes: `1048576`, `1mb` (1024 * 1024), `1m` (1000 * 1000)."""

    placeholder = "BYTES"
    _UNITS: Final = {"": 1, "b": 1, "k": 1000, "kb": 1 << 10, "m": 10**6, "mb": 1 << 20, "g": 10**9, "gb": 1 << 30}

    def parse(self, text: str) -> int:
        return self._bounded(parse_memory(_until_nul(text)))


class MemoryOrPercent(Memory):
    """A number of bytes, or a percentage of `maxmemory` such as `5%`, which is kept as a negative number."""

    placeholder = "BYTES|PERCENT"

    def parse(self, text: str) -> int:
        number, sign, rest = _until_nul(text).partition("%")
        try:
            if not sign:
                return super().parse(text)
            if rest or not (number.isascii() and number.isdigit()):
                raise ValueError(text)
        except ValueError:
            raise ValueError("argument must be a memory or percent value") from None
        if int(number) > 100:
            raise ValueError("percentage argument must be less or equal to 100")
        return -int(number)

    def format(self, value: int) -> str:
        return f"{-value}%" if value < 0 else super().format(value)


def parse_memory(text: str) -> int:
    """Parse a number of bytes with or without a unit; raises ValueError."""
    digits = text.rstrip("bBkKmMgG")
    unit = Memory._UNITS.get(text[len(digits) :].lower())
    if unit is None or (digits and not (digits.isascii() and digits.isdigit() and len(digits) <= 20)):
        raise ValueError("argument must be a memory value")
    return int(digits or "0") * unit


def _until_nul(text: str) -> str:
    """Truncate a text at the first NUL, where C's strings end, as Redis does for all but whole numbers."""
    return text.partition("\0")[0]


class YesNo(Kind):
    """`yes` or `no`."""

    placeholder = "yes|no"

    def parse(self, text: str) -> bool:
        word = _until_nul(text).lower()
        if word not in ("yes", "no"):
            raise ValueError("argument must be 'yes' or 'no'")
        return word == "yes"

    def format(self, value: bool) -> str:
        return "yes" if value else "no"


@attrs.frozen
class Choice(Kind):
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def placeholder(self) -> str:  # type: ignore[override]  # a constant for the other kinds
        return "|".join(self.words)

    def parse(self, text: str) -> str:
        word = _until_nul(text)
        if not word.isascii() or word.lower() not in self.words:  # the lower case of a Kelvin sign is a k
            raise ValueError("argument(s) must be one of the following: " + ", ".join(self.words))
        return word.lower()


class Words(Kind):
    """Any number of words; the option may be repeated."""

    repeatable = True

    def __init__(self, placeholder: str) -> None:
        self.placeholder = placeholder

    def parse(self, text: str) -> tuple[str, ...]:
        return tuple(text.split())

    def format(self, value: tuple[Any, ...]) -> str:
        return " ".join(map(str, value))


class Ports(Words):
    """Port numbers."""

    def parse(self, text: str) -> tuple[Any, ...]:
        ports = tuple(parse_integer(word.encode("utf-8", "surrogateescape")) for word in text.split())
        if not all(port is not None and 0 < port < 65536 for port in ports):
            raise ValueError("argument must be port numbers from 1 to 65535")
        return ports


@attrs.frozen
class Several(Kind):
    """Some of a few words."""

    words: tuple[str, ...]
    placeholder = "WORDS"

    def parse(self, text: str) -> tuple[str, ...]:
        found = tuple(word.lower() for word in _until_nul(text).split())
        if not found or not set(found) <= set(self.words):
            raise ValueError("argument(s) must be one of the following: " + ", ".join(self.words))
        return found

    def format(self, value: tuple[str, ...]) -> str:
        return " ".join(value)


class Permissions(Kind):
    """The permissions of a file, in octal."""

    placeholder = "MODE"

    def parse(self, text: str) -> int:
        if not text.isascii() or not text.isdigit() or set(text) & set("89") or int(text, 8) > 0o777:
            raise ValueError("argument must be between 0 and 777 inclusive")
        return int(text, 8)

    def format(self, value: int) -> str:
        return f"{value:o}"


class Networks(Words):
    """Networks in CIDR notation, such as 10.0.0.0/8."""

    def parse(self, text: str) -> tuple[Any, ...]:
        try:
            return tuple(ipaddress.ip_network(word) for word in text.split())
        except ValueError as error:
            raise ValueError(f"argument must be networks as 10.0.0.0/8: {error}") from None


@attrs.frozen
class BufferLimit:
    """Limits in bytes of a client's unsent replies: never over `hard`, nor over `soft` for `seconds`; 0 is no limit."""

    hard: int
    soft: int
    seconds: int


@attrs.frozen
class BufferLimits:
    """The limits of each class of clients; None for a class that is not named."""

    normal: BufferLimit | None = None
    slave: BufferLimit | None = None
    pubsub: BufferLimit | None = None


class BufferLimitKind(Kind):
    """One or more `normal HARD SOFT SECONDS`, as in redis.conf; classes that are not named keep their limits.

    `pubsub` applies to clients that are subscribed to something; there are no replicas yet.
    """

    placeholder = "LIMITS"
    _CLASSES: Final = {"normal": "normal", "slave": "slave", "replica": "slave", "pubsub": "pubsub"}

    def parse(self, text: str) -> BufferLimits:
        words = text.split(" ") if text else []
        if len(words) % 4:
            raise ValueError("Wrong number of arguments in buffer limit configuration.")
        limits = BufferLimits()
        for start in range(0, len(words), 4):
            name = self._CLASSES.get(words[start].lower())
            if name is None:
                raise ValueError("Invalid client class specified in buffer limit configuration.")
            limits = attrs.evolve(limits, **{name: self._limit(*words[start + 1 : start + 4])})
        return limits

    @staticmethod
    def _limit(hard: str, soft: str, seconds: str) -> BufferLimit:
        try:
            sizes = [parse_memory(size) for size in (hard, soft)]
        except ValueError:
            sizes = []
        number = parse_integer(seconds.encode("utf-8", "surrogateescape"))
        if number is not None:
            number = (number + 2**31) % 2**32 - 2**31  # wraps as C's int does
        if not sizes or number is None or number < 0:
            raise ValueError("Error in hard, soft or soft_seconds setting in buffer limit configuration.")
        hard_size, soft_size = sizes
        return BufferLimit(hard_size, soft_size, number)

    def merge(self, old: BufferLimits, new: BufferLimits) -> BufferLimits:
        named = {name: limit for name, limit in attrs.asdict(new, recurse=False).items() if limit is not None}
        return attrs.evolve(old, **named)

    def format(self, value: BufferLimits) -> str:
        classes = attrs.asdict(value, recurse=False).items()
        return " ".join(f"{name} {each.hard} {each.soft} {each.seconds}" for name, each in classes)


class EventClasses(Kind):
    """Letters of the classes of keyspace events, and of the channels that they are published to."""

    placeholder = "LETTERS"

    def parse(self, text: str) -> FrozenSet[str]:
        return keyspace_events.parse(text)

    def format(self, value: FrozenSet[str]) -> str:
        return keyspace_events.format_classes(value)


@attrs.frozen
class SavePoint:
    """A snapshot is saved after `changes` changes, if the last one was saved `seconds` seconds ago."""

    seconds: int
    changes: int


class SavePoints(Kind):
    """Pairs of seconds and changes: `3600 1 300 100`; several in a file or on the command line accumulate."""

    placeholder = '"SECONDS CHANGES"'
    repeatable = True

    def parse(self, text: str) -> tuple[SavePoint, ...]:
        text = _until_nul(text)
        words = text.split(" ") if text else []
        numbers = [parse_integer(word.encode("utf-8", "surrogateescape")) or 0 for word in words]
        points = tuple(SavePoint(*pair) for pair in zip(numbers[::2], numbers[1::2]))
        known = all(word.isdigit() and word.isascii() for word in words)
        if len(words) % 2 or not known or any(not point.seconds or point.changes > INT32_MAX for point in points):
            raise ValueError("Invalid save parameters")
        return points

    def format(self, value: tuple[SavePoint, ...]) -> str:
        return " ".join(f"{point.seconds} {point.changes}" for point in value)


class FolderPath(Kind):
    """A folder on this machine; a relative path is made absolute at once, because a daemon changes its directory."""

    placeholder = "PATH"

    def parse(self, text: str) -> str:
        return os.path.abspath(os.path.expanduser(text)) if text else ""


class FilePath(FolderPath):
    """A file on this machine; a relative path is made absolute at once, as for a folder."""


@attrs.frozen
class FileName(Kind):
    """The name of a file or of a folder, without a path."""

    setting: str
    what: str
    placeholder = "NAME"

    def parse(self, text: str) -> str:
        if not text or text in (".", "..") or "\0" in text:
            raise ValueError(f"{self.setting} can't be empty")
        if "/" in text or os.sep in text:
            raise ValueError(f"{self.setting} can't be a path, just a {self.what}")
        return text
