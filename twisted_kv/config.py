"""The settings: the one place where each is named, typed, bounded and described.

`Settings` is the table.  Its fields bear redis.conf's names, with underscores for the hyphens; the options of
`twistd owncache`, the lines of a configuration file and CONFIG GET and SET are all made from it.
"""

from __future__ import annotations

import ipaddress
import os
from typing import Any, Callable, Final, Iterable, Iterator, Mapping, Union

import attrs

from twisted_kv.numbers import INT64_MAX, UINT64_MAX, parse_integer
from twisted_kv.wire.words import split_words

INT32_MAX: Final = 2**31 - 1

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


POLICIES: Final = (
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "noeviction",
)
"""The values of `maxmemory-policy`, in Redis's order."""


class Kind:
    """How the value of a setting is read and written.  `parse` raises ValueError with Redis's text."""

    placeholder = "TEXT"
    repeatable = False

    def parse(self, text: str) -> Any:
        return text

    def format(self, value: Any) -> str:
        return str(value)


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


def parse_memory(text: str) -> int:
    """Read a number of bytes with or without a unit; raises ValueError."""
    digits = text.rstrip("bBkKmMgG")
    unit = Memory._UNITS.get(text[len(digits) :].lower())
    if unit is None or (digits and not (digits.isascii() and digits.isdigit() and len(digits) <= 20)):
        raise ValueError("argument must be a memory value")
    return int(digits or "0") * unit


def _until_nul(text: str) -> str:
    """Cut a text where C's strings end, as Redis does for all but whole numbers."""
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
        if not word.isascii() or word.lower() not in self.words:  # a Kelvin sign in lower case is a k
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
    """Numbers of ports."""

    def parse(self, text: str) -> tuple[Any, ...]:
        ports = tuple(parse_integer(word.encode("utf-8", "surrogateescape")) for word in text.split())
        if not all(port is not None and 0 < port < 65536 for port in ports):
            raise ValueError("argument must be port numbers from 1 to 65535")
        return ports


class Networks(Words):
    """Networks in CIDR notation, such as 10.0.0.0/8."""

    def parse(self, text: str) -> tuple[Any, ...]:
        try:
            return tuple(ipaddress.ip_network(word) for word in text.split())
        except ValueError as error:
            raise ValueError(f"argument must be networks as 10.0.0.0/8: {error}") from None


@attrs.frozen
class BufferLimit:
    """How many bytes of replies may wait for a client: never over `hard`, nor over `soft` for `seconds`; 0 is none."""

    hard: int
    soft: int
    seconds: int


class BufferLimitKind(Kind):
    """`normal HARD SOFT SECONDS`, as in redis.conf.  There are no other classes of clients yet."""

    placeholder = "LIMITS"

    def parse(self, text: str) -> BufferLimit:
        words = text.split(" ")
        if len(words) != 4:
            raise ValueError("Wrong number of arguments in buffer limit configuration.")
        if words[0].lower() != "normal":
            raise ValueError("Invalid client class specified in buffer limit configuration.")
        try:
            hard, soft = map(parse_memory, words[1:3])
        except ValueError:
            hard = -1
        seconds = parse_integer(words[3].encode("utf-8", "surrogateescape"))
        if hard < 0 or seconds is None or seconds < 0:
            raise ValueError("Error in hard, soft or soft_seconds setting in buffer limit configuration.")
        return BufferLimit(hard, soft, seconds)

    def format(self, value: BufferLimit) -> str:
        return f"normal {value.hard} {value.soft} {value.seconds}"


@attrs.frozen
class SavePoint:
    """A snapshot is saved when so many changes were made and the last was saved so many seconds ago."""

    seconds: int
    changes: int


class SavePoints(Kind):
    """Pairs of seconds and changes: `3600 1 300 100`; several in a file or on the command line add up."""

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
    """A folder of this machine; a relative path is completed at once, because a daemon changes its own."""

    placeholder = "PATH"

    def parse(self, text: str) -> str:
        return os.path.abspath(os.path.expanduser(text)) if text else ""


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


FIXED: Final = "immutable"
PROTECTED: Final = "protected"


def setting(kind: Kind, default: str, purpose: str, *, fixed: str = "") -> Any:
    """Declare a setting; one that CONFIG SET cannot change says why not, in Redis's word."""
    return attrs.field(factory=lambda: kind.parse(default), metadata={"kind": kind, "purpose": purpose, "fixed": fixed})


@attrs.define(kw_only=True)
class Settings:
    """The settings of one cache, each with its default."""

    port: int = setting(
        Integer(0, 65535), "6379", "TCP port, and UDP port; 0 picks one that is free for both", fixed=FIXED
    )
    udp_port: int = setting(Integer(-1, 65535), "-1", "another UDP port; -1 is the same as --port", fixed=FIXED)
    bind: tuple[str, ...] = setting(
        Words("ADDRESS"),
        "127.0.0.1 -::1",
        "addresses to listen on; a leading - permits failure, * is all",
        fixed=FIXED,
    )
    tcp: bool = setting(YesNo(), "yes", "listen for Redis clients", fixed=FIXED)
    udp: bool = setting(YesNo(), "yes", "listen for datagrams", fixed=FIXED)
    endpoint: tuple[str, ...] = setting(
        Words("ENDPOINT"),
        "",
        "one more Twisted endpoint for Redis clients, as unix:/run/owncache.sock",
        fixed=FIXED,
    )
    udp_dialect: str = setting(
        Choice(("auto", "equals", "command", "resp")), "auto", "how datagrams are understood", fixed=FIXED
    )
    udp_binary: bool = setting(YesNo(), "no", "take a line ending at the end of a datagram as data", fixed=FIXED)
    udp_allow: tuple[Network, ...] = setting(
        Networks("NETWORK"), "", "a network that is served by UDP besides this machine, as 10.0.0.0/8", fixed=FIXED
    )
    udp_refuse_port: tuple[int, ...] = setting(
        Ports("PORT"), "", "a source port whose datagrams get no answer, as of another such server", fixed=FIXED
    )
    protected_mode: bool = setting(YesNo(), "yes", "without a password, serve only clients of this machine")
    enable_debug_command: str = setting(
        Choice(("no", "yes", "local")), "no", "serve DEBUG; local: only to clients of this machine", fixed=PROTECTED
    )
    requirepass: str = setting(Kind(), "", "the password that clients must give")
    databases: int = setting(Integer(1, 2**31 - 1), "16", "number of databases", fixed=FIXED)
    timeout: int = setting(Integer(0, 2**31 - 1), "0", "seconds until an idle client is disconnected; 0 is never")
    tcp_keepalive: int = setting(Integer(0, 2**31 - 1), "300", "seconds between probes of silent clients; 0 is none")
    tcp_backlog: int = setting(Integer(0, 2**31 - 1), "511", "connections that may wait to be accepted", fixed=FIXED)
    maxclients: int = setting(Integer(1, 2**32 - 1), "10000", "clients that may be connected")
    proto_max_bulk_len: int = setting(Memory(1 << 20, INT64_MAX), "512mb", "longest value of a request")
    client_query_buffer_limit: int = setting(Memory(1 << 20, INT64_MAX), "1gb", "longest request of a client")
    client_output_buffer_limit: BufferLimit = setting(
        BufferLimitKind(), "normal 1gb 64mb 60", "replies that may wait for a client: hard, soft, seconds"
    )

    maxmemory: int = setting(
        Memory(0, UINT64_MAX), "0", "bytes that keys and values may take by estimate; 0 is no limit"
    )
    maxmemory_policy: str = setting(Choice(POLICIES), "noeviction", "which keys go when maxmemory is reached")
    maxmemory_samples: int = setting(Integer(1, 2**31 - 1), "5", "keys that are looked at for each that goes")
    lfu_log_factor: int = setting(Integer(0, 2**31 - 1), "10", "how much more seldom the use count grows as it grows")
    lfu_decay_time: int = setting(Integer(0, 2**31 - 1), "1", "minutes without use until the use count falls by one")
    dir: str = setting(
        FolderPath(), "", "folder of the files; without it, save and appendonly, no file is touched", fixed=PROTECTED
    )
    save: tuple[SavePoint, ...] = setting(
        SavePoints(), "", "save a snapshot when there were so many changes and the last is so many seconds old"
    )
    dbfilename: str = setting(FileName("dbfilename", "filename"), "dump.rdb", "file of the snapshot", fixed=PROTECTED)
    rdbcompression: bool = setting(YesNo(), "no", "compress long strings in snapshots; it is slow")
    rdbchecksum: bool = setting(YesNo(), "yes", "end snapshots with a checksum, and check it", fixed=FIXED)
    sanitize_dump_payload: str = setting(
        Choice(("no", "yes", "clients")), "no", "look closely at what is restored; yes: also at what is loaded"
    )
    stop_writes_on_bgsave_error: bool = setting(YesNo(), "yes", "refuse writes while snapshots cannot be saved")
    appendonly: bool = setting(YesNo(), "no", "log every write, and replay the log at the start")
    appendfsync: str = setting(
        Choice(("everysec", "always", "no")), "everysec", "when the log is forced to the disk; always: before a reply"
    )
    appenddirname: str = setting(
        FileName("appenddirname", "dirname"), "appendonlydir", "folder of the log, inside dir", fixed=FIXED
    )
    appendfilename: str = setting(
        FileName("appendfilename", "filename"),
        "appendonly.aof",
        "what the files of the log are named by",
        fixed=FIXED,
    )
    no_appendfsync_on_rewrite: bool = setting(YesNo(), "no", "do not force the log to the disk during a snapshot")
    auto_aof_rewrite_percentage: int = setting(
        Integer(0, 2**31 - 1), "100", "rewrite the log when it grew by so many percent; 0 is never"
    )
    auto_aof_rewrite_min_size: int = setting(Memory(0, INT64_MAX), "64mb", "but not before it has so many bytes")
    aof_load_truncated: bool = setting(YesNo(), "yes", "load a log whose end is torn, less that end")
    aof_use_rdb_preamble: bool = setting(YesNo(), "yes", "rewrite the log to a snapshot instead of to commands")
    aof_timestamp_enabled: bool = setting(YesNo(), "no", "note in the log when what was written")
    transport: str = setting(
        Choice(("fast", "plain")), "fast", "plain: each connection by itself, as any Twisted server", fixed=FIXED
    )

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Settings:
        """Make settings from redis.conf names and Python values; raises ValueError that names the setting."""
        settings = cls()
        for name, value in values.items():
            settings.set(name, _as_text(name, value))
        return settings

    def get(self, name: str) -> str:
        """Give a setting in the form that redis.conf has it in; raises KeyError for a name that is none."""
        return SETTINGS[name].kind.format(getattr(self, SETTINGS[name].attribute))

    def set(self, name: str, text: str) -> None:
        """Change a setting; raises ValueError that names it."""
        described = SETTINGS.get(name)
        if described is None:
            raise ValueError(f"unknown setting '{name}'")
        try:
            setattr(self, described.attribute, described.kind.parse(text))
        except ValueError as error:
            raise ValueError(f"setting '{name}': {error}") from None


@attrs.frozen
class Setting:
    """What is known of one setting: its redis.conf name, its attribute, how it is read, what it is for."""

    name: str
    attribute: str
    kind: Kind
    purpose: str
    fixed: str


SETTINGS: Final[dict[str, Setting]] = {
    field.name.replace("_", "-"): Setting(field.name.replace("_", "-"), field.name, **field.metadata)
    for field in attrs.fields(Settings)
}
"""Every setting by its redis.conf name."""


def read_config(lines: Iterable[bytes]) -> Iterator[tuple[int, str, str]]:
    """Read the lines of a file in redis.conf's syntax: gives line numbers, names and values.

    Raises ValueError that names the line.
    """
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        if not stripped or stripped.startswith(b"#"):
            continue
        try:
            name, *values = (word.decode() for word in split_words(stripped))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
        name = name.lower()
        if name not in SETTINGS:
            raise ValueError(f"line {number}: unknown setting '{name}'")
        if not values:
            raise ValueError(f"line {number}: setting '{name}' has no value")
        if len(values) > 1 and isinstance(SETTINGS[name].kind, (Integer, YesNo, Choice)):
            raise ValueError(f"line {number}: setting '{name}' takes one value")
        yield number, name, " ".join(values)


def apply_config(lines: Iterable[bytes], apply: Callable[[str, str], None]) -> None:
    """Give each setting of a configuration file to `apply`; a ValueError of it gets the number of the line."""
    points = ""
    for number, name, value in read_config(lines):
        if isinstance(SETTINGS[name].kind, SavePoints):
            points = value = f"{points} {value}".strip() if value else ""  # they add up, and an empty one clears
        try:
            apply(name, value)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None


def _as_text(name: str, value: object) -> str:
    """Write a value as a configuration file has it; raises ValueError for one that has no such form, as None."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    if isinstance(value, (str, int)):
        return str(value)
    raise ValueError(f"setting '{name}': a value is str, int, bool or a list, not {type(value).__name__}")
