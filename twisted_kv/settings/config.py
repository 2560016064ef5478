"""The settings: the single place where each is named, typed, bounded and described.

`Settings` is the table.  Its fields have redis.conf's names, with underscores for the hyphens; the options of
`twistd owncache`, the lines of a configuration file and CONFIG GET and SET are all derived from it.
"""

from __future__ import annotations

import ipaddress
from typing import Any, Callable, Final, FrozenSet, Iterable, Mapping, Union

import attrs

from twisted_kv.settings.kinds import (
    BufferLimitKind,
    BufferLimits,
    Choice,
    EventClasses,
    FileName,
    FilePath,
    FolderPath,
    Integer,
    Kind,
    Memory,
    MemoryOrPercent,
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
    """Declare a setting; `fixed` says, in Redis's term, why CONFIG SET cannot change it."""
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
        "addresses to listen on; a leading - makes one optional, * is all",
        fixed=FIXED,
    )
    tcp: bool = setting(YesNo(), "yes", "listen for Redis clients", fixed=FIXED)
    udp: bool = setting(YesNo(), "yes", "listen for datagrams", fixed=FIXED)
    endpoint: tuple[str, ...] = setting(
        Words("ENDPOINT"),
        "",
        "an additional Twisted endpoint for Redis clients, such as unix:/run/owncache.sock",
        fixed=FIXED,
    )
    unixsocket: str = setting(
        FilePath(), "", "a Unix socket for Redis clients; one left by another process is replaced", fixed=FIXED
    )
    unixsocketperm: int = setting(Permissions(), "0", "permissions of the Unix socket, in octal; 0 is 700", fixed=FIXED)
    address_file: str = setting(
        FilePath(), "", "a file that lists the listening addresses while the server runs", fixed=FIXED
    )
    udp_dialect: str = setting(
        Choice(("auto", "equals", "command", "resp")), "auto", "how datagrams are parsed", fixed=FIXED
    )
    udp_binary: bool = setting(YesNo(), "no", "treat a line ending at the end of a datagram as data", fixed=FIXED)
    udp_allow: tuple[Network, ...] = setting(
        Networks("NETWORK"), "", "a network served by UDP besides this machine, such as 10.0.0.0/8", fixed=FIXED
    )
    udp_refuse_port: tuple[int, ...] = setting(
        Ports("PORT"),
        "",
        "a source port whose datagrams get no answer, such as that of another server like this",
        fixed=FIXED,
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
    notify_keyspace_events: FrozenSet[str] = setting(
        EventClasses(), "", "which events of keys are published: classes, and K or E for the channels"
    )
    maxmemory_clients: int = setting(
        MemoryOrPercent(0, INT64_MAX), "0", "bytes that connections may take together, or a percentage; 0 is no limit"
    )
    tracking_table_max_keys: int = setting(
        Integer(0, INT64_MAX), "1000000", "keys that are remembered for tracking clients; 0 is no limit"
    )

    maxmemory: int = setting(
        Memory(0, UINT64_MAX), "0", "bytes that keys and values may take by estimate; 0 is no limit"
    )
    maxmemory_policy: str = setting(Choice(POLICIES), "noeviction", "which keys are evicted when maxmemory is reached")
    maxmemory_samples: int = setting(Integer(1, 2**31 - 1), "5", "keys that are sampled for each key evicted")
    lfu_log_factor: int = setting(
        Integer(0, 2**31 - 1), "10", "how much more slowly the use count grows the larger it is"
    )
    lfu_decay_time: int = setting(Integer(0, 2**31 - 1), "1", "minutes without use until the use count falls by one")
    dir: str = setting(
        FolderPath(), "", "folder of the files; without dir, save and appendonly, no file is touched", fixed=PROTECTED
    )
    save: tuple[SavePoint, ...] = setting(
        SavePoints(), "", "save a snapshot after this many changes, if the last one is this many seconds old"
    )
    dbfilename: str = setting(FileName("dbfilename", "filename"), "dump.rdb", "file of the snapshot", fixed=PROTECTED)
    rdbcompression: bool = setting(YesNo(), "no", "compress long strings in snapshots; it is slow")
    rdbchecksum: bool = setting(YesNo(), "yes", "end snapshots with a checksum, and check it", fixed=FIXED)
    sanitize_dump_payload: str = setting(
        Choice(("no", "yes", "clients")), "no", "check restored values thoroughly; yes: loaded ones too"
    )
    stop_writes_on_bgsave_error: bool = setting(YesNo(), "yes", "refuse writes while snapshots cannot be saved")
    appendonly: bool = setting(YesNo(), "no", "append every write to the append-only file, and replay it at startup")
    appendfsync: str = setting(
        Choice(("everysec", "always", "no")),
        "everysec",
        "when the append-only file is synced to disk; always: before a reply",
    )
    appenddirname: str = setting(
        FileName("appenddirname", "dirname"),
        "appendonlydir",
        "folder of the append-only files, inside dir",
        fixed=FIXED,
    )
    appendfilename: str = setting(
        FileName("appendfilename", "filename"),
        "appendonly.aof",
        "base name of the append-only files",
        fixed=FIXED,
    )
    no_appendfsync_on_rewrite: bool = setting(
        YesNo(), "no", "do not sync the append-only file to disk during a snapshot"
    )
    auto_aof_rewrite_percentage: int = setting(
        Integer(0, 2**31 - 1), "100", "rewrite the append-only file when it has grown by this percentage; 0 is never"
    )
    auto_aof_rewrite_min_size: int = setting(
        Memory(0, INT64_MAX), "64mb", "minimum bytes of an append-only file that is rewritten automatically"
    )
    aof_load_truncated: bool = setting(YesNo(), "yes", "load a log whose end is torn, less that end")
    aof_use_rdb_preamble: bool = setting(
        YesNo(), "yes", "rewrite the append-only file as a snapshot instead of as commands"
    )
    aof_timestamp_enabled: bool = setting(YesNo(), "no", "record in the append-only file when each change was written")
    hash_max_listpack_entries: int = setting(
        Integer(0, INT64_MAX), "512", "maximum fields of a hash that is kept packed"
    )
    hash_max_listpack_value: int = setting(
        Memory(0, INT64_MAX), "64", "maximum bytes of each field and value of a hash that is kept packed"
    )
    list_max_listpack_size: int = setting(
        Integer(-INT32_MAX - 1, INT32_MAX),
        "-2",
        "maximum elements of a list that is one node in files; -1 to -5: 4 to 64 KiB",
    )
    set_max_intset_entries: int = setting(Integer(0, INT64_MAX), "512", "maximum integers of a set that is kept packed")
    zset_max_listpack_entries: int = setting(
        Integer(0, INT64_MAX), "128", "maximum members of a sorted set that is kept packed"
    )
    zset_max_listpack_value: int = setting(
        Memory(0, INT64_MAX), "64", "maximum bytes of each member of a sorted set that is kept packed"
    )
    hll_sparse_max_bytes: int = setting(
        Memory(0, INT64_MAX), "3000", "maximum bytes of a HyperLogLog that is kept sparse"
    )
    stream_node_max_bytes: int = setting(
        Memory(0, INT64_MAX), "4096", "maximum bytes of a node of a stream; 0 is no limit"
    )
    stream_node_max_entries: int = setting(
        Integer(0, INT64_MAX), "100", "maximum entries of a node of a stream; 0 is no limit"
    )
    busy_reply_threshold: int = setting(
        Integer(0, INT64_MAX), "5000", "milliseconds of a script after which others are told that it runs; 0 is never"
    )
    script_time_limit: int = setting(
        Integer(0, INT64_MAX), "0", "milliseconds after which a script that has not written is ended; 0 is never"
    )
    lua_memory_limit: int = setting(
        Memory(4 << 20, INT64_MAX), "256mb", "bytes that scripts may take in Lua together, and functions as many again"
    )
    loglevel: str = setting(
        Choice(("debug", "verbose", "notice", "warning")),
        "notice",
        "lowest level of messages that the whole process logs",
    )
    syslog_enabled: bool = setting(YesNo(), "no", "log to the system's log, too", fixed=FIXED)
    syslog_ident: str = setting(Kind(), "redis", "name used in the system's log", fixed=FIXED)
    syslog_facility: str = setting(
        Choice(("user", *(f"local{number}" for number in range(8)))),
        "local0",
        "facility used in the system's log",
        fixed=FIXED,
    )
    shutdown_on_sigterm: tuple[str, ...] = setting(
        Several(ENDS), "default", "what SIGTERM does about a final snapshot; default: as the save points say"
    )
    shutdown_on_sigint: tuple[str, ...] = setting(Several(ENDS), "default", "the same for SIGINT")
    transport: str = setting(
        Choice(("fast", "plain")),
        "fast",
        "plain: serve each connection on its own, as any Twisted server does",
        fixed=FIXED,
    )

    others: dict[str, Any] = attrs.field(factory=dict)
    """Values of Redis's settings that have no effect here, by name."""

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Settings:
        """Build settings from redis.conf names and Python values; raises ValueError that names the setting."""
        settings = cls()
        for name, value in values.items():
            settings.set(name, _as_text(name, value))
        return settings

    @property
    def clients_memory(self) -> int:
        """What `maxmemory-clients` comes to, in bytes; 0 for no limit."""
        limit = self.maxmemory_clients
        return limit if limit >= 0 else self.maxmemory * -limit // 100

    def get(self, name: str) -> str:
        """Return a setting as redis.conf writes it; raises KeyError for an unknown name."""
        found = KNOWN[name]
        return found.kind.format(found.get(self))

    def set(self, name: str, text: str) -> None:
        """Change a setting; raises ValueError that names it."""
        found = KNOWN.get(name)
        if found is None:
            raise ValueError(f"unknown setting '{name}'")
        try:
            found.put(self, found.kind.parse(text))
        except ValueError as error:
            raise ValueError(f"setting '{name}': {error}") from None

    def notes(self) -> list[str]:
        """Return log messages about settings that were given but have no effect here."""
        changed = [
            name for name, value in self.others.items() if value != KNOWN[name].kind.parse(FOREIGN[name].default)
        ]
        twistd_names = [name for name in changed if name in TWISTD]
        without_effect = [name for name in changed if name not in TWISTD]
        notes = []
        if without_effect:
            notes.append(f"these settings of Redis have no effect here: {', '.join(sorted(without_effect))}")
        if twistd_names:
            notes.append(
                f"{', '.join(sorted(twistd_names))}: that is twistd's business, whose options are -n (stay in the "
                "foreground), --pidfile and -l (the file of the log)"
            )
        return notes


SETTINGS: Final[dict[str, Setting]] = {
    field.name.replace("_", "-"): Setting(field.name.replace("_", "-"), **field.metadata)
    for field in attrs.fields(Settings)
    if field.metadata
}
"""Every setting that has an effect here, by its redis.conf name."""

_EARLIER_NAMES: Final = {
    **{name: name.replace("listpack", "ziplist") for name in SETTINGS if "-max-listpack-" in name},
    "busy-reply-threshold": "lua-time-limit",
}

ALIASES: Final = {
    earlier: attrs.evolve(SETTINGS[name], name=earlier, alias_of=name) for name, earlier in _EARLIER_NAMES.items()
}
"""Settings by the names that they had in earlier versions of Redis."""

KNOWN: Final[dict[str, Setting]] = {**SETTINGS, **FOREIGN, **ALIASES}
"""Every setting that has a value, including those of Redis's that have no effect here."""


def apply_config(
    lines: Iterable[bytes],
    apply: Callable[[str, str], None],
    *,
    include: Callable[[str], Iterable[bytes]] | None = None,
    unknown: Callable[[str], None] | None = None,
) -> None:
    """Call `apply` with each setting of a file in redis.conf's syntax.

    Raises ValueError with one line for each error in the file; the valid settings have been applied by then.
    `include` opens the included files, and `unknown` is called with each unknown name; without it, an unknown name is
    an error.
    """
    points: list[str] = []

    def apply_line(text: bytes) -> None:
        name, values = _read_line(text)
        if name == "include" and include is not None:
            for path in values:
                apply_lines(include(path))
        elif name in REFUSED:
            raise ValueError(f"'{name}': there is no {REFUSED[name]} here")
        elif name not in KNOWN:
            if unknown is None:
                raise ValueError(f"unknown setting '{name}'")
            unknown(name)
        else:
            value = _join_values(name, values)
            if isinstance(KNOWN[name].kind, SavePoints):
                points[:] = [*points, value] if value else []  # they accumulate, and an empty one clears them
                value = " ".join(points)
            apply(name, value)

    def apply_lines(lines: Iterable[bytes]) -> None:
        errors: list[str] = []
        for number, line in enumerate(lines, 1):
            stripped = line.strip()
            if not stripped or stripped.startswith(b"#"):
                continue
            try:
                apply_line(stripped)
            except ValueError as error:
                errors += (f"line {number}: {each}" for each in str(error).split("\n"))
        if errors:
            raise ValueError("\n".join(errors))

    apply_lines(lines)


def _read_line(text: bytes) -> tuple[str, list[str]]:
    """Parse a line of a configuration file into the name of a setting and its values."""
    name, *values = (word.decode() for word in split_words(text))
    return name.lower(), values


def _join_values(name: str, values: list[str]) -> str:
    """Join the values of a line; raises ValueError if there are too few or too many."""
    if not values:
        raise ValueError(f"setting '{name}' has no value")
    if len(values) > 1 and isinstance(KNOWN[name].kind, (Integer, YesNo, Choice)):
        raise ValueError(f"setting '{name}' takes one value")
    return " ".join(values)


def _as_text(name: str, value: object) -> str:
    """Format a value as in a configuration file; raises ValueError for one that has no such form, such as None."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    if isinstance(value, (str, int)):
        return str(value)
    raise ValueError(f"setting '{name}': a value is str, int, bool or a list, not {type(value).__name__}")
