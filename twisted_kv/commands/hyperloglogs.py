"""Commands on HyperLogLogs, which estimate the number of distinct elements that were added to them."""

from __future__ import annotations

from typing import Sequence

from twisted_kv.declaring.groups import Group, every, first, second
from twisted_kv.sessions.session import Session
from twisted_kv.values.errors import CorruptError
from twisted_kv.values.hyperloglogs import REGISTERS, HyperLogLog, estimate
from twisted_kv.values.short_strings import raw
from twisted_kv.vocabulary.errors import CommandError, c_string, c_text
from twisted_kv.vocabulary.replies import OK, Reply, Status

hyperloglogs = Group("hyperloglog", category="hyperloglog")


def _corrupt() -> CommandError:
    return CommandError("Corrupted HLL object detected", "INVALIDOBJ")


def _edit(session: Session, key: bytes) -> HyperLogLog | None:
    """Return the HyperLogLog of a key for changing it, or None; raises `CommandError` for any other value."""
    log = _checked(session, session.db.lookup_as(key, bytes))
    if log is not None:
        session.db.keep_raw(key)
    return log


def _checked(session: Session, data: bytes | None) -> HyperLogLog | None:
    """Return the HyperLogLog that a string holds; raises `CommandError` if it holds none."""
    if data is None:
        return None
    if not HyperLogLog.is_one(data):
        raise CommandError("Key is not a valid HyperLogLog string value.", "WRONGTYPE")
    return HyperLogLog(data, session.db.packing.hll_sparse_max_bytes)


def _write(session: Session, key: bytes, log: HyperLogLog, event: bytes | None) -> None:
    session.db.set(key, raw(log.data), keep_deadline=True, event=event)


def _registers(log: HyperLogLog) -> bytes:
    try:
        return log.registers()
    except CorruptError:
        raise _corrupt() from None


@hyperloglogs.command(
    "PFADD",
    since="2.8.9",
    flags="write denyoom fast",
    keys=first("RW insert"),
)
def pfadd(session: Session, key: bytes, *elements: bytes) -> Reply:
    """Add elements to a HyperLogLog, and return whether the estimate may have changed."""
    existing = _edit(session, key)
    log = existing or HyperLogLog(sparse_most=session.db.packing.hll_sparse_max_bytes)
    changes, before = int(existing is None), log.data
    try:
        changes += log.add_all(elements)
    except CorruptError:
        if log.data != before:
            session.db.reload(key, raw(log.data))  # Redis keeps what it added before the failure, and counts no change
        raise _corrupt() from None
    if changes:
        log.make_stale()
        _write(session, key, log, b"pfadd")
    return int(changes > 0)


def _read_all(session: Session, keys: Sequence[bytes]) -> tuple[list[HyperLogLog | None], bytes]:
    """Return the HyperLogLog of each key, or None, and the maximum of each register over all of them."""
    logs = []
    merged = bytearray(REGISTERS)
    try:
        for key in keys:
            log = _checked(session, session.db.read_as(key, bytes))
            logs.append(log)
            if log is not None:
                log.merge_into(merged)
    except CorruptError:
        raise _corrupt() from None
    return logs, bytes(merged)


@hyperloglogs.command(
    "PFCOUNT",
    since="2.8.9",
    flags="readonly may_replicate",
    keys=every(
        "RW access", notes="RW because it may change the internal representation of the key, and propagate to replicas"
    ),
)
def pfcount(session: Session, key: bytes, *keys: bytes) -> Reply:
    """Return the estimated number of distinct elements in a HyperLogLog, or in the union of several."""
    if keys:
        return estimate(_read_all(session, (key, *keys))[1])
    log = _checked(session, session.db.read_as(key, bytes))
    if log is None:
        return 0
    session.db.keep_raw(key)
    count = log.cached_count
    if count is None:
        count = estimate(_registers(log))
        log.cache_count(count)
        _write(session, key, log, None)
    return count


@hyperloglogs.command(
    "PFMERGE",
    since="2.8.9",
    flags="write denyoom",
    keys=first("RW access insert") + every("RO access", start=2),
    complexity="O(N)",
)
def pfmerge(session: Session, destination: bytes, *sources: bytes) -> Reply:
    """Merge HyperLogLogs into another one."""
    logs, merged = _read_all(session, (destination, *sources))
    target = logs[0] or HyperLogLog(sparse_most=session.db.packing.hll_sparse_max_bytes)
    if not all(log is None or log.is_sparse for log in logs):
        target.make_dense()
    target.merge(merged)
    target.make_stale()
    _write(session, destination, target, b"pfadd")
    return OK


@hyperloglogs.command(
    "PFDEBUG",
    doc_flags="syscmd",
    since="2.8.9",
    flags="write denyoom admin",
    keys=second("RW access"),
    complexity="Depends on subcommand.",
)
def pfdebug(session: Session, subcommand: bytes, key: bytes) -> Reply:
    """Inspect a HyperLogLog with GETREG, DECODE or ENCODING, or convert it to the dense form with TODENSE."""
    name = c_string(subcommand).upper()
    log = _edit(session, key)
    if log is None:
        raise CommandError("The specified key does not exist")
    if name == b"ENCODING":
        return Status(b"sparse" if log.is_sparse else b"dense")
    if name == b"DECODE":
        if not log.is_sparse:
            raise CommandError("HLL encoding is not sparse")
        return log.describe()
    if name not in (b"GETREG", b"TODENSE"):
        raise CommandError(f"Unknown PFDEBUG subcommand '{c_text(subcommand)}'")
    try:
        converted = log.make_dense()
    except CorruptError:
        raise _corrupt() from None
    if converted:
        _write(session, key, log, None)
    return int(converted) if name == b"TODENSE" else list(_registers(log))


@hyperloglogs.command(
    "PFSELFTEST",
    doc_flags="syscmd",
    since="2.8.9",
    flags="admin",
    complexity="Depends on subcommand.",
)
def pfselftest(session: Session) -> Reply:
    """Check that the sparse and dense forms hold the same registers, and that an estimate is accurate to 5 percent."""
    log = HyperLogLog()
    count = 2000
    for number in range(count):
        log.add(b"%d" % number)
    dense = HyperLogLog(log.data)
    dense.make_dense()
    if dense.registers() != log.registers() or abs(estimate(log.registers()) - count) > count * 0.05:
        raise CommandError("TESTFAILED")
    return OK
