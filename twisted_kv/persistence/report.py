"""The fields of INFO's section about persistence, as in Redis."""

from __future__ import annotations

from typing import Mapping

from twisted_kv.persistence.aof import Aof
from twisted_kv.persistence.loading import Progress
from twisted_kv.persistence.saves import Saves
from twisted_kv.persistence.snapshots import Snapshots
from twisted_kv.vocabulary.clock import Now


def snapshot_fields(snapshots: Snapshots) -> Mapping[str, object]:
    """Return the fields about the current snapshot.  It needs no fork, and copies nothing."""
    saving = snapshots.saving
    return {
        "current_cow_peak": 0,
        "current_cow_size": 0,
        "current_cow_size_age": 0,
        "current_fork_perc": "0.00",
        "current_save_keys_processed": 0 if saving is None else saving.snapshot.written,
        "current_save_keys_total": 0 if saving is None else saving.snapshot.keys,
    }


def save_fields(saves: Saves, snapshots: Snapshots) -> Mapping[str, object]:
    """Return the fields about saved snapshots."""
    record = saves.record
    return {
        "rdb_changes_since_last_save": saves.unsaved,
        "rdb_bgsave_in_progress": int(saves.is_under_way),
        "rdb_last_save_time": record.date,
        "rdb_last_bgsave_status": record.status,
        "rdb_last_bgsave_time_sec": record.seconds,
        "rdb_current_bgsave_time_sec": _seconds(snapshots) if saves.is_under_way else -1,
        "rdb_saves": record.count,
        "rdb_last_cow_size": 0,
    }


def aof_fields(aof: Aof, snapshots: Snapshots) -> Mapping[str, object]:
    """Return the fields about the append-only file."""
    record, file = aof.record, aof.file
    fields: dict[str, object] = {
        "aof_enabled": int(snapshots.settings.appendonly),
        "aof_rewrite_in_progress": int(aof.is_under_way),
        "aof_rewrite_scheduled": int(aof.is_scheduled),
        "aof_last_rewrite_time_sec": record.seconds,
        "aof_current_rewrite_time_sec": _seconds(snapshots) if aof.is_under_way else -1,
        "aof_last_bgrewrite_status": record.status,
        "aof_rewrites": record.count,
        "aof_rewrites_consecutive_failures": record.failures,
        "aof_last_write_status": "ok" if file.error is None else "err",
        "aof_last_cow_size": 0,
        "module_fork_in_progress": 0,
        "module_fork_last_cow_size": 0,
    }
    if file.is_open:
        fields.update(
            {
                "aof_current_size": file.size,
                "aof_base_size": aof.base_size,
                "aof_pending_rewrite": 0,
                "aof_buffer_length": file.buffered,
                "aof_pending_bio_fsync": int(file.unsynced > 0),
                "aof_delayed_fsync": file.delayed,
            }
        )
    return fields


def loading_fields(progress: Progress, now: Now) -> Mapping[str, object]:
    """Return the fields about the progress of loading."""
    passed = (now.elapsed - progress.started) / 1000
    left = progress.total - progress.loaded
    return {
        "loading_start_time": progress.date,
        "loading_total_bytes": progress.total,
        "loading_loaded_bytes": progress.loaded,
        "loading_loaded_perc": f"{100 * progress.loaded / max(1, progress.total):.2f}",
        "loading_eta_seconds": int(passed * left / progress.loaded) if progress.loaded else 1,
    }


def _seconds(snapshots: Snapshots) -> int:
    """Return how long the current snapshot has taken so far, in whole seconds."""
    assert snapshots.saving is not None
    return (snapshots.now.elapsed - snapshots.saving.started) // 1000
