"""INFO: the state and the statistics of the server, under Redis's field names where Redis has one.

Fields of Redis that would not be true here are omitted, not filled in.
"""

from __future__ import annotations

import os
import platform
import resource
import sys
from typing import Callable, Mapping

from twisted_kv.declaring.groups import Group
from twisted_kv.sessions.channels import Kind
from twisted_kv.sessions.session import REDIS_VERSION, Server, Session
from twisted_kv.version import VERSION
from twisted_kv.vocabulary.numbers import INT64_MAX, UINT64_MAX
from twisted_kv.vocabulary.replies import Reply, Verbatim

info = Group("server")


@info.command(
    "INFO",
    since="1.0.0",
    flags="loading stale",
    categories="dangerous",
    tips="nondeterministic_output request_policy:all_shards response_policy:special",
)
def info_(session: Session, *sections: bytes) -> Reply:
    """Return the state and the statistics of the server, by section."""
    wanted = {section.decode("latin-1").lower() for section in sections} or {"default"}
    if wanted & {"all", "everything"}:
        wanted |= set(SECTIONS)
    if "default" in wanted:
        wanted |= set(SECTIONS) - {"commandstats"}
    texts = []
    for name, describe in SECTIONS.items():
        if name in wanted:
            fields = describe(session.server)
            lines = [f"# {name.capitalize() if name != 'cpu' else 'CPU'}"]
            lines += [f"{field}:{value}" for field, value in fields.items()]
            texts.append("\r\n".join(lines) + "\r\n")
    return Verbatim("\r\n".join(texts).encode("utf-8", "surrogateescape"))


def _server(server: Server) -> dict[str, object]:
    uptime = (server.now.elapsed - server.started) // 1000
    return {
        "redis_version": REDIS_VERSION,
        "redis_mode": "standalone",
        "owncache_version": VERSION,
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "arch_bits": 64 if sys.maxsize > 2**32 else 32,
        "python_implementation": platform.python_implementation(),
        "python_version": platform.python_version(),
        "process_id": os.getpid(),
        "run_id": server.run_id,
        "tcp_port": server.services.ports.port or 0,
        "server_time_usec": server.now.milliseconds * 1000,
        "uptime_in_seconds": uptime,
        "uptime_in_days": uptime // 86400,
    }


def _clients(server: Server) -> dict[str, object]:
    return {
        "connected_clients": len(server.sessions),
        "maxclients": server.settings.maxclients,
        "tracking_clients": server.services.tracking.clients,
        "blocked_clients": sum(1 for session in server.sessions.values() if session.waiting),
    }


def _memory(server: Server) -> dict[str, object]:
    """Return the keys' estimated memory; resident memory is that of the whole process, including a host program's."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    try:
        with open("/proc/self/statm") as statm:
            resident = int(statm.read().split()[1]) * resource.getpagesize()
    except OSError:
        resident = peak  # not available on this system: report the peak
    used = sum(database.memory for database in server.databases)
    limit = server.settings.maxmemory
    return {
        "used_memory": used,
        "used_memory_human": human(used),
        "used_memory_rss": resident,
        "used_memory_rss_human": human(resident),
        "used_memory_rss_peak": peak,
        "used_memory_rss_peak_human": human(peak),
        "maxmemory": limit if limit <= INT64_MAX else limit - UINT64_MAX - 1,  # printed with a sign, as Redis does
        "maxmemory_human": human(limit),
        "maxmemory_policy": server.settings.maxmemory_policy,
        **_scripts_memory(server),
    }


def _scripts_memory(server: Server) -> dict[str, object]:
    """Return what scripts and functions take; Lua's memory is not a part of `used_memory`, nor of `maxmemory`."""
    scripts, functions = server.services.scripts.information(), server.services.functions.information()
    lua = sum(
        scripts.get(name, 0) + functions.get(name, 0) for name in ("used_memory_vm_eval", "used_memory_vm_functions")
    )
    texts = scripts.get("used_memory_scripts_eval", 0) + functions.get("used_memory_functions", 0)
    return {
        **scripts,
        **functions,
        "used_memory_vm_total": lua,
        "used_memory_vm_total_human": human(lua),
        "used_memory_scripts": texts,
        "used_memory_scripts_human": human(texts),
    }


def _persistence(server: Server) -> Mapping[str, object]:
    return server.services.persistence.information()


def _stats(server: Server) -> dict[str, object]:
    statistics = server.statistics
    return {
        "total_connections_received": statistics.connections_received,
        "total_commands_processed": sum(entry.calls for entry in server.commands.entries()),
        "total_net_input_bytes": statistics.bytes_received,
        "total_net_output_bytes": statistics.bytes_sent,
        "rejected_connections": statistics.connections_rejected,
        "expired_keys": sum(database.expired for database in server.databases),
        "evicted_clients": statistics.evicted_clients,
        "evicted_keys": sum(database.evicted for database in server.databases),
        "keyspace_hits": sum(database.hits for database in server.databases),
        "keyspace_misses": sum(database.misses for database in server.databases),
        "pubsub_channels": server.channels.count(Kind.CHANNEL),
        "pubsub_patterns": server.channels.count(Kind.PATTERN),
        "pubsubshard_channels": server.channels.count(Kind.SHARD),
        "client_query_buffer_limit_disconnections": statistics.query_limit_disconnections,
        "client_output_buffer_limit_disconnections": statistics.output_limit_disconnections,
        **server.services.tracking.counts(),
        "total_error_replies": sum(statistics.errors.values()),
        "total_datagrams_received": statistics.datagrams_received,
        "dropped_datagrams": server.services.ports.count_drops(),
        "refused_datagrams": statistics.datagrams_refused,
        "refused_datagram_sets": statistics.datagram_sets_refused,
        "dropped_late_datagrams": statistics.dropped_late_datagrams,
        "dropped_paused_datagrams": statistics.dropped_paused_datagrams,
    }


def _replication(server: Server) -> dict[str, object]:
    return {"role": "master", "connected_slaves": 0}


def _cpu(server: Server) -> dict[str, object]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {"used_cpu_sys": f"{usage.ru_stime:.6f}", "used_cpu_user": f"{usage.ru_utime:.6f}"}


def _commandstats(server: Server) -> dict[str, object]:
    return {
        f"cmdstat_{entry.name}": f"calls={entry.calls},rejected_calls={entry.rejected},failed_calls={entry.failed}"
        for entry in server.commands.entries()
        if entry.calls or entry.rejected
    }


def _errorstats(server: Server) -> dict[str, object]:
    return {f"errorstat_{code}": f"count={count}" for code, count in sorted(server.statistics.errors.items())}


def _cluster(server: Server) -> dict[str, object]:
    return {"cluster_enabled": 0}


def _keyspace(server: Server) -> dict[str, object]:
    now = server.now.milliseconds
    return {
        f"db{database.index}": (
            f"keys={len(database)},expires={len(database.expiry)},avg_ttl={database.expiry.mean_left(now)}"
        )
        for database in server.databases
        if len(database)
    }


SECTIONS: dict[str, Callable[[Server], Mapping[str, object]]] = {
    "server": _server,
    "clients": _clients,
    "memory": _memory,
    "persistence": _persistence,
    "stats": _stats,
    "replication": _replication,
    "cpu": _cpu,
    "commandstats": _commandstats,
    "errorstats": _errorstats,
    "cluster": _cluster,
    "keyspace": _keyspace,
}


def human(count: int) -> str:
    """Format a number of bytes as Redis does: 512B, 1.50K, 2.00M, 3.25G."""
    if count < 1024 or count >= 1 << 60:
        return f"{count}B"
    size = float(count)
    for unit in "KMGT":
        size /= 1024
        if size < 1024:
            return f"{size:.2f}{unit}"
    return f"{size / 1024:.2f}P"
