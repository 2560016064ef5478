"""The settings: the one place where each is named, typed, bounded and described.

`Settings` is the table.  Its fields bear redis.conf's names, with underscores for the hyphens; the options of
`twistd owncache`, the lines of a configuration file and CONFIG GET and SET are all made from it.
"""

from __future__ import annotations

import ipaddress
from typing import Any, Callable, Final, Iterable, Mapping, Union

import attrs

from twisted_kv.settings.kinds import (
    BufferLimitKind,
    BufferLimits,
    Choice,
    FileName,
    FilePath,
    FolderPath,
    Integer,
    Kind,
    Memory,
    Networks,
    Permissions,
    Ports,
    SavePoint,
    SavePoints,
    Several,
    Words,
    YesNo,
)
from twisted_kv.settings.redis_conf import FOREIGN, REFUSED, TWISTD
from twisted_kv.settings.setting import FIXED, PROTECTED, Setting
from twisted_kv.vocabulary.numbers import INT32_MAX, INT64_MAX, UINT64_MAX
from twisted_kv.wire.words import split_words

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

ENDS: Final = ("default", "save", "nosave", "now", "force")
"""The values of `shutdown-on-sigterm` and `-sigint`."""


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
    unixsocket: str = setting(
        FilePath(), "", "a Unix socket for Redis clients; one that was left by another process is removed", fixed=FIXED
    )
    unixsocketperm: int = setting(Permissions(), "0", "its permissions, in octal; 0 is 700", fixed=FIXED)
    address_file: str = setting(
        FilePath(), "", "a file that tells where it listens, from then on until it ends", fixed=FIXED
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
    client_output_buffer_limit: BufferLimits = setting(
        BufferLimitKind(),
        "normal 1gb 64mb 60 slave 256mb 64mb 60 pubsub 32mb 8mb 60",
        "replies that may wait for a client: class, hard, soft, seconds",
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
    hash_max_listpack_entries: int = setting(Integer(0, INT64_MAX), "512", "fields of a hash that is kept packed")
    hash_max_listpack_value: int = setting(Memory(0, INT64_MAX), "64", "bytes of each of them, and of their values")
    list_max_listpack_size: int = setting(
        Integer(-INT32_MAX - 1, INT32_MAX), "-2", "elements of a list that is one node in files; -1 to -5: 4 to 64 KiB"
    )
    set_max_intset_entries: int = setting(Integer(0, INT64_MAX), "512", "integers of a set that is kept packed")
    zset_max_listpack_entries: int = setting(Integer(0, INT64_MAX), "128", "members of a sorted set kept packed")
    zset_max_listpack_value: int = setting(Memory(0, INT64_MAX), "64", "bytes of each of them")
    hll_sparse_max_bytes: int = setting(Memory(0, INT64_MAX), "3000", "bytes of a HyperLogLog that is kept sparse")
    stream_node_max_bytes: int = setting(Memory(0, INT64_MAX), "4096", "bytes of a node of a stream; 0 is no limit")
    stream_node_max_entries: int = setting(Integer(0, INT64_MAX), "100", "and its entries; 0 is no limit")
    loglevel: str = setting(
        Choice(("debug", "verbose", "notice", "warning")), "notice", "what is logged, by the whole process"
    )
    syslog_enabled: bool = setting(YesNo(), "no", "log to the system's log, too", fixed=FIXED)
    syslog_ident: str = setting(Kind(), "redis", "under which name", fixed=FIXED)
    syslog_facility: str = setting(
        Choice(("user", *(f"local{number}" for number in range(8)))), "local0", "and which facility", fixed=FIXED
    )
    shutdown_on_sigterm: tuple[str, ...] = setting(
        Several(ENDS), "default", "what SIGTERM does about a last snapshot; default: as the save points say"
    )
    shutdown_on_sigint: tuple[str, ...] = setting(Several(ENDS), "default", "the same of SIGINT")
    transport: str = setting(
        Choice(("fast", "plain")), "fast", "plain: each connection by itself, as any Twisted server", fixed=FIXED
    )

    others: dict[str, Any] = attrs.field(factory=dict)
    """Values of settings of Redis's that have nothing to do here, by their names."""

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Settings:
        """Make settings from redis.conf names and Python values; raises ValueError that names the setting."""
        settings = cls()
        for name, value in values.items():
            settings.set(name, _as_text(name, value))
        return settings

    def get(self, name: str) -> str:
        """Return a setting in the form that redis.conf has it in; raises KeyError for a name that is none."""
        described = KNOWN[name]
        return described.kind.format(described.get(self))

    def set(self, name: str, text: str) -> None:
        """Change a setting; raises ValueError that names it."""
        described = KNOWN.get(name)
        if described is None:
            raise ValueError(f"unknown setting '{name}'")
        try:
            described.put(self, described.kind.parse(text))
        except ValueError as error:
            raise ValueError(f"setting '{name}': {error}") from None

    def notes(self) -> list[str]:
        """Return what somebody should know who gave settings that have nothing to do here."""
        different = [
            name for name, value in self.others.items() if value != KNOWN[name].kind.parse(FOREIGN[name].default)
        ]
        twistds = [name for name in different if name in TWISTD]
        idle = [name for name in different if name not in TWISTD]
        notes = []
        if idle:
            notes.append(f"these settings of Redis's have nothing to do here: {', '.join(sorted(idle))}")
        if twistds:
            notes.append(
                f"{', '.join(sorted(twistds))}: that is twistd's business, whose options are -n (stay in the "
                "foreground), --pidfile and -l (the file of the log)"
            )
        return notes


SETTINGS: Final[dict[str, Setting]] = {
    field.name.replace("_", "-"): Setting(field.name.replace("_", "-"), **field.metadata)
    for field in attrs.fields(Settings)
    if field.metadata
}
"""Every setting that has something to do here, by its redis.conf name."""

_EARLIER: Final = {name: name.replace("listpack", "ziplist") for name in SETTINGS if "-max-listpack-" in name}

ALIASES: Final = {
    earlier: attrs.evolve(SETTINGS[name], name=earlier, alias_of=name) for name, earlier in _EARLIER.items()
}
"""Settings by names that they had in earlier versions of Redis."""

KNOWN: Final[dict[str, Setting]] = {**SETTINGS, **FOREIGN, **ALIASES}
"""Every setting that has a value, also those of Redis's that have nothing to do here."""


def apply_config(
    lines: Iterable[bytes],
    apply: Callable[[str, str], None],
    *,
    include: Callable[[str], Iterable[bytes]] | None = None,
    unknown: Callable[[str], None] | None = None,
) -> None:
    """Give each setting of a file in redis.conf's syntax to `apply`.

    Raises ValueError with a line for everything that is wrong in the file; what is right has been applied then.
    `include` opens the files that are included, and `unknown` is told of names that nobody knows; without it, such a
    name is wrong.
    """
    points: list[str] = []

    def one(text: bytes) -> None:
        name, values = _read_line(text)
        if name == "include" and include is not None:
            for path in values:
                every(include(path))
        elif name in REFUSED:
            raise ValueError(f"'{name}': there is no {REFUSED[name]} here")
        elif name not in KNOWN:
            if unknown is None:
                raise ValueError(f"unknown setting '{name}'")
            unknown(name)
        else:
            value = _one_value(name, values)
            if isinstance(KNOWN[name].kind, SavePoints):
                points[:] = [*points, value] if value else []  # they add up, and an empty one clears
                value = " ".join(points)
            apply(name, value)

    def every(lines: Iterable[bytes]) -> None:
        errors: list[str] = []
        for number, line in enumerate(lines, 1):
            stripped = line.strip()
            if not stripped or stripped.startswith(b"#"):
                continue
            try:
                one(stripped)
            except ValueError as error:
                errors += (f"line {number}: {each}" for each in str(error).split("\n"))
        if errors:
            raise ValueError("\n".join(errors))

    every(lines)


def _read_line(text: bytes) -> tuple[str, list[str]]:
    """Read a line of a configuration file: the name of a setting, and its values."""
    name, *values = (word.decode() for word in split_words(text))
    return name.lower(), values


def _one_value(name: str, values: list[str]) -> str:
    """Put the values of a line together; raises ValueError if there are too few, or too many."""
    if not values:
        raise ValueError(f"setting '{name}' has no value")
    if len(values) > 1 and isinstance(KNOWN[name].kind, (Integer, YesNo, Choice)):
        raise ValueError(f"setting '{name}' takes one value")
    return " ".join(values)


def _as_text(name: str, value: object) -> str:
    """Write a value as a configuration file has it; raises ValueError for one that has no such form, as None."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    if isinstance(value, (str, int)):
        return str(value)
    raise ValueError(f"setting '{name}': a value is str, int, bool or a list, not {type(value).__name__}")
