"""The settings of Redis 7.0 that have no effect here, so that its configuration files are accepted.

`_inert` declares those that would change nothing here: any value is accepted and returned.  `_absent` declares those of
features that do not exist here: they accept only Redis's own default or the value that switches the feature off, and
return what is true here.
"""

from __future__ import annotations

from typing import Any, Final

import attrs

from twisted_kv.settings.kinds import Choice, Integer, Kind, Memory, YesNo
from twisted_kv.settings.setting import FIXED, Setting
from twisted_kv.vocabulary.numbers import INT32_MAX, INT64_MAX, UINT64_MAX

UINT32_MAX: Final = 2**32 - 1
_TLS: Final = "TLS by this name (--endpoint ssl:... has it)"

TWISTD: Final = ("daemonize", "logfile", "pidfile", "supervised")
"""Settings that are twistd's responsibility: it has options of its own for them."""

REFUSED: Final = {
    "loadmodule": "module",
    "rename-command": "way to rename commands",
    "sentinel": "sentinel mode",
    "user": "ACL",
}
"""Configuration file lines that are not settings, and the missing feature that each one asks for."""


@attrs.frozen(kw_only=True)
class Foreign(Setting):
    """A setting of Redis's: its default there, and the feature missing here (empty if it would change nothing)."""

    default: str
    missing: str = ""
    off: str | None = None
    """The value that switches the missing feature off, if that is not the default: it is what is true here."""

    def get(self, settings: Any) -> Any:
        return settings.others.get(self.name, self.kind.parse(self.truth))

    @property
    def truth(self) -> str:
        """The value that is true here unless another one is set."""
        return self.default if self.off is None else self.off

    def put(self, settings: Any, value: Any) -> None:
        if not self.missing:
            settings.others[self.name] = value
        elif value not in [self.kind.parse(text) for text in (self.default, self.truth)]:
            shown = self.default if self.off is None else f"{self.off}' or '{self.default}"
            raise ValueError(f"there is no {self.missing} here: it can only be '{shown}'")


def _inert(name: str, kind: Kind, default: str, *, fixed: str = "") -> Foreign:
    return Foreign(name=name, kind=kind, purpose="has no effect here", fixed=fixed, default=default)


def _absent(name: str, kind: Kind, default: str, missing: str, *, off: str | None = None, fixed: str = "") -> Foreign:
    return Foreign(
        name=name, kind=kind, purpose="not implemented yet", fixed=fixed, default=default, missing=missing, off=off
    )


_SETTINGS: Final = (
    _inert("daemonize", YesNo(), "no", fixed=FIXED),
    _inert("logfile", Kind(), "", fixed=FIXED),
    _inert("pidfile", Kind(), "", fixed=FIXED),
    _inert("supervised", Choice(("upstart", "systemd", "auto", "no")), "no", fixed=FIXED),
    _inert("active-defrag-cycle-max", Integer(1, 99), "25"),
    _inert("active-defrag-cycle-min", Integer(1, 99), "1"),
    _inert("active-defrag-ignore-bytes", Memory(1, INT64_MAX), "104857600"),
    _inert("active-defrag-max-scan-fields", Integer(1, INT64_MAX), "1000"),
    _inert("active-defrag-threshold-lower", Integer(0, 1000), "10"),
    _inert("active-defrag-threshold-upper", Integer(0, 1000), "100"),
    _inert("active-expire-effort", Integer(1, 10), "1"),
    _inert("activedefrag", YesNo(), "no"),
    _inert("activerehashing", YesNo(), "yes"),
    _inert("always-show-logo", YesNo(), "no", fixed=FIXED),
    _inert("aof-disable-auto-gc", YesNo(), "no"),
    _inert("aof-rewrite-incremental-fsync", YesNo(), "yes"),
    _inert("aof_rewrite_cpulist", Kind(), "", fixed=FIXED),
    _inert("bgsave_cpulist", Kind(), "", fixed=FIXED),
    _inert("bind-source-addr", Kind(), ""),
    _inert("bio_cpulist", Kind(), "", fixed=FIXED),
    _inert("crash-log-enabled", YesNo(), "yes"),
    _inert("crash-memcheck-enabled", YesNo(), "yes"),
    _inert("disable-thp", YesNo(), "yes", fixed=FIXED),
    _inert("dynamic-hz", YesNo(), "yes"),
    _inert("hz", Integer(0, INT32_MAX), "10"),
    _inert("ignore-warnings", Kind(), ""),
    _inert("io-threads", Integer(1, 128), "1", fixed=FIXED),
    _inert("io-threads-do-reads", YesNo(), "no", fixed=FIXED),
    _inert("jemalloc-bg-thread", YesNo(), "yes"),
    _inert("lazyfree-lazy-eviction", YesNo(), "no"),
    _inert("lazyfree-lazy-expire", YesNo(), "no"),
    _inert("lazyfree-lazy-server-del", YesNo(), "no"),
    _inert("lazyfree-lazy-user-del", YesNo(), "no"),
    _inert("lazyfree-lazy-user-flush", YesNo(), "no"),
    _inert("list-compress-depth", Integer(0, INT32_MAX), "0"),
    _inert("maxmemory-eviction-tenacity", Integer(0, 100), "10"),
    _inert("oom-score-adj", Choice(("no", "yes", "relative", "absolute")), "no"),
    _inert("oom-score-adj-values", Kind(), "0 200 800"),
    _inert("proc-title-template", Kind(), "{title} {listen-addr} {server-mode}"),
    _inert("rdb-del-sync-files", YesNo(), "no"),
    _inert("rdb-save-incremental-fsync", YesNo(), "yes"),
    _inert("server_cpulist", Kind(), "", fixed=FIXED),
    _inert("set-proc-title", YesNo(), "yes", fixed=FIXED),
    _inert("shutdown-timeout", Integer(0, INT32_MAX), "10"),
    _inert("socket-mark-id", Integer(0, UINT32_MAX), "0", fixed=FIXED),
    _absent("acl-pubsub-default", Choice(("allchannels", "resetchannels")), "resetchannels", "ACL"),
    _absent("aclfile", Kind(), "", "ACL", fixed=FIXED),
    _absent("acllog-max-len", Integer(0, INT64_MAX), "128", "ACL", off="0"),
    _absent("cluster-allow-pubsubshard-when-down", YesNo(), "yes", "cluster"),
    _absent("cluster-allow-reads-when-down", YesNo(), "no", "cluster"),
    _absent("cluster-allow-replica-migration", YesNo(), "yes", "cluster"),
    _absent("cluster-announce-bus-port", Integer(0, 65535), "0", "cluster"),
    _absent("cluster-announce-hostname", Kind(), "", "cluster"),
    _absent("cluster-announce-ip", Kind(), "", "cluster"),
    _absent("cluster-announce-port", Integer(0, 65535), "0", "cluster"),
    _absent("cluster-announce-tls-port", Integer(0, 65535), "0", "cluster"),
    _absent("cluster-config-file", Kind(), "nodes.conf", "cluster", fixed=FIXED),
    _absent("cluster-enabled", YesNo(), "no", "cluster", fixed=FIXED),
    _absent("cluster-link-sendbuf-limit", Memory(0, UINT64_MAX), "0", "cluster"),
    _absent("cluster-migration-barrier", Integer(0, INT32_MAX), "1", "cluster"),
    _absent("cluster-node-timeout", Integer(0, INT64_MAX), "15000", "cluster"),
    _absent("cluster-port", Integer(0, 65535), "0", "cluster", fixed=FIXED),
    _absent("cluster-preferred-endpoint-type", Choice(("ip", "hostname", "unknown-endpoint")), "ip", "cluster"),
    _absent("cluster-replica-no-failover", YesNo(), "no", "cluster"),
    _absent("cluster-replica-validity-factor", Integer(0, INT32_MAX), "10", "cluster"),
    _absent("cluster-require-full-coverage", YesNo(), "yes", "cluster"),
    _absent("cluster-slave-no-failover", YesNo(), "no", "cluster"),
    _absent("cluster-slave-validity-factor", Integer(0, INT32_MAX), "10", "cluster"),
    _absent("enable-module-command", Choice(("no", "yes", "local")), "no", "modules", fixed=FIXED),
    _absent(
        "enable-protected-configs",
        Choice(("no", "yes", "local")),
        "no",
        "way to change protected settings",
        fixed=FIXED,
    ),
    _absent("latency-monitor-threshold", Integer(0, INT64_MAX), "0", "latency monitor"),
    _absent("latency-tracking", YesNo(), "yes", "latency monitor", off="no"),
    _absent("latency-tracking-info-percentiles", Kind(), "50 99 99.9", "latency monitor", off=""),
    _absent("masterauth", Kind(), "", "replication"),
    _absent("masteruser", Kind(), "", "replication"),
    _absent("min-replicas-max-lag", Integer(0, INT32_MAX), "10", "replication"),
    _absent("min-replicas-to-write", Integer(0, INT32_MAX), "0", "replication"),
    _absent("min-slaves-max-lag", Integer(0, INT32_MAX), "10", "replication"),
    _absent("min-slaves-to-write", Integer(0, INT32_MAX), "0", "replication"),
    _absent("propagation-error-behavior", Choice(("ignore", "panic", "panic-on-replicas")), "ignore", "replication"),
    _absent("repl-backlog-size", Memory(1, INT64_MAX), "1048576", "replication"),
    _absent("repl-backlog-ttl", Integer(0, INT64_MAX), "3600", "replication"),
    _absent("repl-disable-tcp-nodelay", YesNo(), "no", "replication"),
    _absent("repl-diskless-load", Choice(("disabled", "on-empty-db", "swapdb")), "disabled", "replication"),
    _absent("repl-diskless-sync", YesNo(), "yes", "replication"),
    _absent("repl-diskless-sync-delay", Integer(0, INT32_MAX), "5", "replication"),
    _absent("repl-diskless-sync-max-replicas", Integer(0, INT32_MAX), "0", "replication"),
    _absent("repl-ping-replica-period", Integer(1, INT32_MAX), "10", "replication"),
    _absent("repl-ping-slave-period", Integer(1, INT32_MAX), "10", "replication"),
    _absent("repl-timeout", Integer(1, INT32_MAX), "60", "replication"),
    _absent("replica-announce-ip", Kind(), "", "replication"),
    _absent("replica-announce-port", Integer(0, 65535), "0", "replication"),
    _absent("replica-announced", YesNo(), "yes", "replication"),
    _absent("replica-ignore-disk-write-errors", YesNo(), "no", "replication"),
    _absent("replica-ignore-maxmemory", YesNo(), "yes", "replication"),
    _absent("replica-lazy-flush", YesNo(), "no", "replication"),
    _absent("replica-priority", Integer(0, INT32_MAX), "100", "replication"),
    _absent("replica-read-only", YesNo(), "yes", "replication"),
    _absent("replica-serve-stale-data", YesNo(), "yes", "replication"),
    _absent("replicaof", Kind(), "", "replication", fixed=FIXED),
    _absent("slave-announce-ip", Kind(), "", "replication"),
    _absent("slave-announce-port", Integer(0, 65535), "0", "replication"),
    _absent("slave-ignore-maxmemory", YesNo(), "yes", "replication"),
    _absent("slave-lazy-flush", YesNo(), "no", "replication"),
    _absent("slave-priority", Integer(0, INT32_MAX), "100", "replication"),
    _absent("slave-read-only", YesNo(), "yes", "replication"),
    _absent("slave-serve-stale-data", YesNo(), "yes", "replication"),
    _absent("slaveof", Kind(), "", "replication", fixed=FIXED),
    _absent("slowlog-log-slower-than", Integer(-1, INT64_MAX), "10000", "slow log", off="-1"),
    _absent("slowlog-max-len", Integer(0, INT64_MAX), "128", "slow log", off="0"),
    _absent("tls-auth-clients", Choice(("no", "yes", "optional")), "yes", _TLS),
    _absent("tls-ca-cert-dir", Kind(), "", _TLS),
    _absent("tls-ca-cert-file", Kind(), "", _TLS),
    _absent("tls-cert-file", Kind(), "", _TLS),
    _absent("tls-ciphers", Kind(), "", _TLS),
    _absent("tls-ciphersuites", Kind(), "", _TLS),
    _absent("tls-client-cert-file", Kind(), "", _TLS),
    _absent("tls-client-key-file", Kind(), "", _TLS),
    _absent("tls-client-key-file-pass", Kind(), "", _TLS),
    _absent("tls-cluster", YesNo(), "no", _TLS),
    _absent("tls-dh-params-file", Kind(), "", _TLS),
    _absent("tls-key-file", Kind(), "", _TLS),
    _absent("tls-key-file-pass", Kind(), "", _TLS),
    _absent("tls-port", Integer(0, 65535), "0", _TLS),
    _absent("tls-prefer-server-ciphers", YesNo(), "no", _TLS),
    _absent("tls-protocols", Kind(), "", _TLS),
    _absent("tls-replication", YesNo(), "no", _TLS),
    _absent("tls-session-cache-size", Integer(0, INT32_MAX), "20480", _TLS),
    _absent("tls-session-cache-timeout", Integer(0, INT32_MAX), "300", _TLS),
    _absent("tls-session-caching", YesNo(), "yes", _TLS),
)
FOREIGN: Final = {each.name: each for each in _SETTINGS}
"""The settings above, by name."""
