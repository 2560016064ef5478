"""Starts a cache on files in memory, as often as a test wants, and tells what it then holds, or why it is refused."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from tests.rdb.reading import Plain, plain
from tests.servers.capture import listening
from tests.storage.plain_disk import Files, MemoryDisk
from twisted_kv.store.entries import parts
from twisted_kv.testing import Clock, MemoryCache
from twisted_kv.wire.encoder import encode_request

Data = Dict[Tuple[int, bytes], Tuple[Plain, Optional[int]]]
"""Values and deadlines by the numbers of databases and names of keys."""

Request = Tuple[bytes, ...]

INCR = "appendonlydir/appendonly.aof.1.incr.aof"
MORE = "appendonlydir/appendonly.aof.2.incr.aof"
RDB_BASE = "appendonlydir/appendonly.aof.1.base.rdb"
BASE = "appendonlydir/appendonly.aof.1.base.aof"
MANIFEST = "appendonlydir/appendonly.aof.manifest"


def words(*parts: Any) -> Request:
    """Make a request."""
    return tuple(part if isinstance(part, bytes) else str(part).encode() for part in parts)


def log(*requests: Sequence[Any]) -> bytes:
    """Write requests as a log has them."""
    return b"".join(encode_request(words(*request)) for request in requests)


def laid_out(**named: bytes) -> Files:
    """Give the files of a log: `base` of commands, `rdb_base`, `incr` and `more`, and the manifest that names them."""
    paths = {"base": (BASE, "1 type b"), "rdb_base": (RDB_BASE, "1 type b"), "incr": (INCR, "1 type i")}
    paths["more"] = (MORE, "2 type i")
    files = {paths[name][0]: data for name, data in named.items()}
    lines = (f"file {path.rpartition('/')[2]} seq {kind}\n" for path, kind in map(paths.__getitem__, named))
    return {**files, MANIFEST: "".join(lines).encode()}


def contents(cache: MemoryCache) -> Data:
    """Tell all that a cache holds, those keys among it whose time has come and that nobody has removed yet."""
    data: Data = {}
    for database in cache.service.dispatcher.server.databases:
        for key in database.table:
            held = database.table.get(key)
            value, _, _ = parts(held)
            data[database.index, key] = plain(value), database.deadline(key)
    return data


def run_out(clock: Clock, cache: MemoryCache, most: int = 10_000) -> None:
    """Give the reactor turns until all is loaded, or refused."""
    ended: list[object] = []
    cache.service.when_loaded().addBoth(ended.append)
    for _ in range(most):
        if ended:
            return
        clock.advance(0)
    raise AssertionError("the start does not end")


def turn(clock: Clock) -> None:
    """Let the reactor turn once: make the calls that are due now, and not those that they ask for."""
    for call in [each for each in clock.getDelayedCalls() if each.getTime() <= clock.seconds()]:
        clock.calls.remove(call)
        call.called = 1
        call.func(*call.args, **call.kw)


class Start(NamedTuple):
    """What came of a start: what was loaded, or why nothing was; and what was said that somebody should look at."""

    data: Data
    refused: Optional[str]
    warnings: List[str]
    tracebacks: List[str]


@contextmanager
def started(files: Files, clock: Clock | None = None, **config: object) -> Iterator[MemoryCache]:
    """A cache on some files, which loads them."""
    named = {name.replace("_", "-"): value for name, value in config.items()}
    clock = clock or Clock()
    cache = MemoryCache({"dir": "/memory", "appendonly": "yes", **named}, clock, MemoryDisk(files))
    try:
        run_out(clock, cache)
        yield cache
    finally:
        cache.stop()


def start(files: Files, **config: object) -> Start:
    """Start a cache on some files, which may be changed by that, and stop it at once."""
    refused: list[str] = []
    with listening() as said, started(files, **config) as cache:
        loaded = cache.service.when_loaded()
        loaded.addErrback(lambda failure: refused.append(str(failure.value)))
        data = contents(cache)
        assert bool(refused) is cache.service.dispatcher.admission.is_loading
    warnings = [each for each in said.warnings if "none will be saved by itself" not in each]  # it is as asked for
    return Start(data, refused[0] if refused else None, warnings, said.tracebacks)


def after(requests: Sequence[Request], config: Mapping[str, object] | None = None) -> list[Data]:
    """Give what a cache without files holds after none, one, two, ... of the requests."""
    cache = MemoryCache(config)
    with cache.session() as session:
        held = [contents(cache)]
        for request in requests:
            if request[0] not in (b"MULTI", b"EXEC"):
                session.call(*request)
            held.append(contents(cache))
    cache.stop()
    return held
