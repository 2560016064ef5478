"""Measures what durability costs beside redis-server: the append-only file, a snapshot while it is written, loading.

    python benchmarks/durability.py
    python benchmarks/durability.py --keys 100000 --only snapshot
    python benchmarks/durability.py --server "compiled=/venv/bin/twistd -n --pidfile= owncache --port {port}"

The append-only file: redis-benchmark sets keys, 50 clients, with each appendfsync and without the file.  A snapshot
(BGSAVE): a client offers GETs by a timetable, 50 connections, and sleeps between them; what was due before the snapshot
is held against what was due between BGSAVE and the moment when the new file is in its place.  Then redis-benchmark
asks as fast as it can; its runs are cut so that they end before the snapshot does, and "during, of the run" says what
part of each really fell into it.  Longest waits are those of a PING that one more connection sends each 0.2 ms.
Loading: the time from the start of the process until a GET is answered, less the same with an empty folder; the file
was written just before and is in memory.  All servers load the files that redis-server wrote, unless `--own-file` says
otherwise.  Needs redis-server and redis-benchmark.

The snapshot's writer, the server and who asks share the machine: with two cores the closed loop tells of the lack of a
third one as well.  "Client's pause" is the longest time by which the client woke up too late; a wait below it may be
the client's own.  Memory is VmRSS, and of forked processes what they do not share with their parent.
"""

from __future__ import annotations

import argparse
import os
import random
import shlex
import shutil
import socket
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Callable, ContextManager, Iterator, NamedTuple, Sequence

from harness import Arguments, Figures, Report, Server, end, need, owncache, ratio, redis, running
from loads import (
    KEYS,
    LONGEST,
    VALUE,
    beside,
    fill,
    in_turn,
    key,
    medians,
    offer_until_told,
    percentile,
    ping_until_told,
    redis_benchmark,
    redis_benchmark_row,
    sets,
    under_redis_benchmark,
)

Starts = dict[str, Callable[..., ContextManager[Server]]]

RANDOM = random.Random(64).randbytes(len(VALUE))
"""A value that no compression makes smaller; `VALUE` is the other extreme."""
CLIENTS = 50
SNAPSHOTS_ONLY = ("--save", "3600 1000000000")
"""Options of a server that loads and writes snapshots, none of them by itself as long as a benchmark lasts."""
LOGGED = ("--appendonly", "yes", "--appendfsync")
SETTLE = 0.2
"""Seconds at the beginning and at the end of a load that do not count."""
MOST_SNAPSHOTS = 5
"""Snapshots that are written, one after the other, to have enough samples."""
TIMETABLE = 20_000
"""Different requests of an offered load; their keys are spread over all keys."""
PING_PAUSE = 0.0002


class Kept(NamedTuple):
    """A server, the folder that it keeps its files in, and a connection for orders."""

    server: Server
    folder: Path
    control: socket.socket

    def ask(self, order: str) -> str:
        """Give the reply to an order; of a bulk string its content."""
        self.control.sendall(order.encode() + b"\r\n")
        received = b""
        while True:
            piece = self.control.recv(65_536)
            if not piece:
                sys.exit(f"{self.server.name} closed the connection at {order}")
            received += piece
            head, complete, rest = received.partition(b"\r\n")
            if complete and not head.startswith(b"$"):
                return head.decode()
            if complete and len(rest) >= int(head[1:]) + 2:
                return rest[:-2].decode()

    def order(self, order: str) -> None:
        """Give an order that must not fail."""
        reply = self.ask(order)
        if not reply.startswith("+"):
            sys.exit(f"{self.server.name} answered {order} with {reply}")

    def info(self, section: str) -> dict[str, str]:
        return dict(line.split(":", 1) for line in self.ask(f"INFO {section}").splitlines() if ":" in line)

    def sets_so_far(self) -> int:
        """Give the number of SETs that the server has carried out."""
        statistics = self.info("commandstats").get("cmdstat_set", "calls=0")
        return int(statistics.split(",")[0].partition("=")[2])


@contextmanager
def keeping(start: Callable[..., ContextManager[Server]], folder: Path, *more: str, **how: Any) -> Iterator[Kept]:
    """Run a server that keeps its files in a folder, until the block ends."""
    with start("--dir", str(folder), *more, **how) as server, server.connect() as control:
        control.settimeout(LONGEST)
        kept = Kept(server, folder, control)
        kept.ask("CONFIG SET auto-aof-rewrite-percentage 0")  # no rewrite but those that are asked for
        try:
            yield kept
        finally:
            server.process.kill()  # or it might save its keys once more


def subjects(options: argparse.Namespace) -> Starts:
    """Give what is measured, by its name, and how it is started."""
    starts: Starts = {"redis": redis}
    for given in options.server:
        name, _, command = given.partition("=")
        if name in starts or "{port}" not in command:
            sys.exit(f"--server takes NAME=COMMAND with another name for each, and with {{port}} in it; not {given!r}")
        starts[name] = partial(running, name, *shlex.split(command))
    if not options.server:
        starts["owncache"] = partial(owncache, options)
    return starts


# The append-only file


def logging_cost(options: argparse.Namespace, report: Report, starts: Starts) -> None:
    """Measure SET with each appendfsync, and without the append-only file."""
    modes = {"off": (), "everysec": (*LOGGED, "everysec"), "always": (*LOGGED, "always")}
    report.table(
        "SET with the append-only file",
        "load",
        "AOF",
        "server",
        "req/s",
        "CPU us",
        "p99 ms",
        "req/s, this / off",
        "CPU, off / this",
        "req/s, this / redis",
        "CPU, redis / this",
    )
    with ExitStack() as stack:
        running_servers: dict[tuple[str, str], Server] = {}
        for mode, more in modes.items():
            for name, start in starts.items():
                folder = stack.enter_context(temporary_folder(options))
                server = stack.enter_context(keeping(start, folder, *more)).server
                fill(server, KEYS, value=RANDOM)
                running_servers[mode, name] = server
        for pipeline in (1, 16):
            requests = options.requests * (1 if pipeline == 1 else 4)

            def measure(server: Server, pipeline: int = pipeline, requests: int = requests) -> Figures:
                os.sync()  # no server waits for what another one wrote
                return redis_benchmark(server, "set", requests, clients=CLIENTS, pipeline=pipeline)

            servers = list(running_servers.values())
            found = dict(zip(running_servers, in_turn(options.rounds, servers, measure)))
            for (mode, name), own in found.items():
                off, peer = found["off", name], found[mode, "redis"]
                of_mode = ratio(own.rate, off.rate), ratio(off.cost, own.cost)
                of_redis = ratio(own.rate, peer.rate), ratio(peer.cost, own.cost)
                report.row(f"SET P={pipeline}", mode, name, own.rate, own.cost, own.p99, *of_mode, *of_redis)


# A snapshot while it is written


class Snapshot(NamedTuple):
    """When BGSAVE was sent, when the new file was in its place, when the server said so, and the most memory."""

    begun: float
    written: float
    ended: float
    peak: int


def snapshot(kept: Kept, watch_memory: bool = False) -> Snapshot:
    """Have a snapshot written, and watch it."""
    before = _identity(kept.folder)
    begun = time.perf_counter()
    kept.order("BGSAVE")
    written, peak, asked = 0.0, 0, begun
    while True:
        time.sleep(0.001)
        if not written and _identity(kept.folder) != before:
            written = time.perf_counter()
        if time.perf_counter() - asked > 0.02:
            asked = time.perf_counter()
            if watch_memory:
                peak = max(peak, kept.server.resident_bytes_with_forks())
            state = kept.info("persistence")
            if state["rdb_bgsave_in_progress"] == "0":
                break
            if asked - begun > LONGEST:
                sys.exit(f"{kept.server.name} did not end a snapshot in {LONGEST:.0f} seconds")
    if state["rdb_last_bgsave_status"] != "ok" or _identity(kept.folder) == before:
        sys.exit(f"{kept.server.name} did not write a snapshot")
    return Snapshot(begun, written or asked, asked, peak)


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(folder / "dump.rdb")
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def within(samples: Sequence[tuple[float, float]], *periods: tuple[float, float]) -> list[float]:
    """Give what belongs to moments of some periods."""
    return [value for moment, value in samples if any(begun <= moment <= ended for begun, ended in periods)] or [0.0]


class Waiting(NamedTuple):
    """How long GETs waited before a snapshot and while it was written, in milliseconds, and of how many that tells."""

    p50_quiet: float
    p50: float
    p99_quiet: float
    p99: float
    longest_quiet: float
    longest: float
    rate_quiet: float
    rate: float
    pause: float | None
    part: float
    """Which part of the run "during" fell into the snapshot."""


def offered(options: argparse.Namespace, kept: Kept, rate: int) -> Waiting:
    """Offer GETs, first without a snapshot, then while some are written."""
    some_keys = random.Random(rate).choices(range(options.keys), k=TIMETABLE)
    requests = [b"*2\r\n$3\r\nGET\r\n$16\r\n%b\r\n" % key(number) for number in some_keys]
    periods: list[tuple[float, float]] = []
    with beside(offer_until_told, kept.server, rate, requests, b"$64\r\n", CLIENTS) as finish:
        time.sleep(SETTLE)
        quiet = time.perf_counter(), time.perf_counter() + options.seconds
        time.sleep(options.seconds)
        while len(periods) < MOST_SNAPSHOTS and sum(ended - begun for begun, ended in periods) < options.seconds:
            periods.append(snapshot(kept)[:2])
        time.sleep(SETTLE)
        waits, pauses = finish()
    before, during = within(waits, quiet), within(waits, *periods)
    figures = []
    for percent in (50, 99, 100):
        figures += [percentile(before, percent) * 1000, percentile(during, percent) * 1000]
    rates = len(before) / options.seconds, len(during) / sum(ended - begun for begun, ended in periods)
    return Waiting(*figures, *rates, max(within(pauses, quiet, *periods)) * 1000, 1.0)


def closed_loop(options: argparse.Namespace, kept: Kept) -> Waiting:
    """Ask as fast as the server answers, first without a snapshot, then in a run that is shorter than the snapshot."""
    load = partial(redis_benchmark_row, kept.server, "get", clients=CLIENTS, keys=options.keys)
    length = snapshot(kept)
    quiet = load(requests=options.requests)
    requests = int(quiet["rps"] * (length.written - length.begun) * 0.75)
    with ThreadPoolExecutor(1) as pool:
        for _ in range(MOST_SNAPSHOTS):
            requests = max(requests, 10 * CLIENTS)
            run = pool.submit(load, requests=requests)
            while int(kept.info("clients")["connected_clients"]) <= CLIENTS and not run.done():
                time.sleep(0.0005)
            started = time.perf_counter()
            written = snapshot(kept)
            during = run.result()
            ended = started + requests / during["rps"]
            part = max(0.0, min(ended, written.written) - max(started, written.begun)) / (ended - started)
            if ended < written.written:
                break
            requests //= 2
    figures = [run[f"{what}_latency_ms"] for what in ("p50", "p99", "max") for run in (quiet, during)]
    return Waiting(*figures, quiet["rps"], during["rps"], None, part)


def waiting(options: argparse.Namespace, report: Report, servers: list[Kept]) -> None:
    """Measure how long GETs wait while a snapshot is written."""
    report.table(
        f"GET while a snapshot of {options.keys} keys is written",
        "load",
        "server",
        *(f"{what} ms, {when}" for what in ("p50", "p99", "longest") for when in ("quiet", "during")),
        "p99, during / quiet",
        "p99 during, redis / this",
        "req/s, quiet",
        "req/s, during",
        "client's pause ms",
        "during, of the run",
    )
    loads: dict[str, Callable[[Kept], Waiting]] = {
        f"{rate} a second": partial(offered, options, rate=rate) for rate in (options.rate // 5, options.rate)
    }
    loads[f"{CLIENTS} clients"] = partial(closed_loop, options)
    for load, measure in loads.items():
        rounds = [[measure(kept) for kept in servers] for _ in range(options.rounds)]
        found = [_of_rounds(column) for column in zip(*rounds)]
        for kept, own in zip(servers, found):
            ratios = ratio(own.p99, own.p99_quiet), ratio(found[0].p99, own.p99)
            report.row(load, kept.server.name, *own[:6], *ratios, *own[6:])


def _of_rounds(rounds: Sequence[Waiting]) -> Waiting:
    """Give the median of each figure; None if there is none."""
    return Waiting(*(None if None in column else median(column) for column in zip(*rounds)))


class Writing(NamedTuple):
    """What one snapshot cost: seconds, bytes, and milliseconds that a PING waited."""

    seconds: float
    cpu: float
    rate: float
    before: float
    peak: float
    longest_quiet: float
    longest: float


def writing(options: argparse.Namespace, kept: Kept, load: Callable[[Server], ContextManager[Any]]) -> Writing:
    """Measure one snapshot beside a load."""
    server = kept.server
    with beside(ping_until_told, server, PING_PAUSE) as finish, load(server):
        time.sleep(SETTLE)
        quiet, idle = time.perf_counter(), server.cpu_seconds()
        time.sleep(options.seconds)
        now = time.perf_counter()
        quiet_period, idle = (quiet, now), (server.cpu_seconds() - idle) / (now - quiet)
        before, done = server.resident_bytes_with_forks(), kept.sets_so_far()
        used = server.cpu_seconds() + server.cpu_seconds_of_ended()
        found = snapshot(kept, watch_memory=True)
        elapsed = time.perf_counter() - found.begun
        used = server.cpu_seconds() + server.cpu_seconds_of_ended() - used
        done = kept.sets_so_far() - done
        time.sleep(SETTLE)
        waits = finish()
    longest = [max(within(waits, period)) * 1000 for period in (quiet_period, (found.begun, found.ended + SETTLE))]
    seconds = found.written - found.begun
    return Writing(seconds, used - idle * elapsed, done / elapsed, before, max(before, found.peak), *longest)


def snapshots(options: argparse.Namespace, report: Report, servers: list[Kept]) -> None:
    """Measure snapshots, alone and beside SETs."""
    report.table(
        f"A snapshot of {options.keys} keys",
        "beside",
        "server",
        "seconds",
        "seconds, redis / this",
        "CPU seconds",
        "CPU, redis / this",
        "SET/s meanwhile",
        "MB before",
        "MB at most",
        "at most / before",
        "longest PING ms, quiet",
        "longest PING ms, during",
    )
    some_keys = random.Random(0).choices(range(options.keys), k=TIMETABLE)
    requests = [sets(range(number, number + 1), value=RANDOM) for number in some_keys]
    loads: dict[str, Callable[[Server], ContextManager[Any]]] = {
        "nothing": lambda server: nullcontext(),
        f"{options.rate} SET a second": lambda server: beside(
            offer_until_told, server, options.rate, requests, b"+OK\r\n", CLIENTS
        ),
        f"SET of {CLIENTS} clients": lambda server: under_redis_benchmark(server, "set", 1, options.keys),
    }
    for name, load in loads.items():
        found = in_turn(options.rounds, servers, partial(writing, options, load=load))
        for kept, own in zip(servers, found):
            alone = name == "nothing"  # or the load's CPU is part of it
            memory = own.before / 1e6, own.peak / 1e6, ratio(own.peak, own.before)
            report.row(
                name,
                kept.server.name,
                own.seconds,
                ratio(found[0].seconds, own.seconds),
                own.cpu if alone else None,
                ratio(found[0].cpu, own.cpu) if alone else None,
                own.rate,
                *memory,
                own.longest_quiet,
                own.longest,
            )


def snapshot_cost(options: argparse.Namespace, report: Report, starts: Starts) -> None:
    with ExitStack() as stack:
        servers = []
        for start in starts.values():
            folder = stack.enter_context(temporary_folder(options))
            servers.append(stack.enter_context(keeping(start, folder, *SNAPSHOTS_ONLY)))
            fill(servers[-1].server, options.keys, value=RANDOM)
        waiting(options, report, servers)
        snapshots(options, report, servers)


# Loading


class Loading(NamedTuple):
    """What a start took with an empty folder, and how much more with a file; seconds, and seconds of CPU."""

    empty: float
    whole: float
    more: float
    cpu: float


def serves(port: int) -> bool:
    """Wait some time until a GET is answered and not refused because the server is loading."""
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), LONGEST) as stream:
            while time.monotonic() < deadline:
                stream.sendall(b"GET %b\r\n" % key(0))
                reply = stream.recv(1024)
                if reply and not reply.startswith(b"-LOADING"):
                    return True
                time.sleep(0.001)
        time.sleep(0.001)
    return False


def start_seconds(
    options: argparse.Namespace, start: Callable[..., ContextManager[Server]], more: Sequence[str], source: Path | None
) -> tuple[float, float]:
    """Start a server with a copy of a folder; give the seconds until it serves, and its CPU."""
    with temporary_folder(options) as folder:
        if source is not None:
            shutil.copytree(source, folder, dirs_exist_ok=True)
        os.sync()
        begun = time.perf_counter()
        with keeping(start, folder, *more, answers=serves, patience=LONGEST) as kept:
            elapsed, used = time.perf_counter() - begun, kept.server.cpu_seconds()
            awaited, found = f":{options.keys if source is not None else 0}", kept.ask("DBSIZE")
            if found != awaited:
                sys.exit(f"{kept.server.name} loaded {found[1:]} keys, not {awaited[1:]}")
        return elapsed, used


def loading(
    options: argparse.Namespace,
    start: Callable[..., ContextManager[Server]],
    more: Sequence[str],
    source: Path,
) -> Loading:
    empty, idle = start_seconds(options, start, more, None)
    whole, used = start_seconds(options, start, more, source)
    return Loading(empty, whole, whole - empty, used - idle)


def write_files(
    options: argparse.Namespace, start: Callable[..., ContextManager[Server]], folder: Path, kind: str, value: bytes
) -> None:
    """Have a server write the file that is to be loaded."""
    more = SNAPSHOTS_ONLY if kind == "rdb" else (*LOGGED, "no")
    with keeping(start, folder, *more) as kept:
        fill(kept.server, options.keys, value=value)
        if kind == "rdb":
            kept.order("SAVE")
        else:
            end(kept.server.process)  # in order, so that all is written


def loading_cost(options: argparse.Namespace, report: Report, starts: Starts) -> None:
    """Measure how long a server takes to load its files."""
    report.table(
        f"Loading {options.keys} keys",
        "file",
        "written by",
        "MB",
        "server",
        "start s, empty folder",
        "start s, with the file",
        "loading s",
        "keys/s",
        "loading CPU s",
        "s, redis / this",
        "CPU, redis / this",
    )
    for file, (kind, value) in {
        "RDB, random values": ("rdb", RANDOM),
        "RDB, values that compress": ("rdb", VALUE),
        "AOF, random values": ("aof", RANDOM),
    }.items():
        with ExitStack() as stack:
            writers = list(starts) if kind in options.own_file else ["redis"]
            folders: dict[str, Path] = {}
            for name in writers:
                folders[name] = stack.enter_context(temporary_folder(options))
                write_files(options, starts[name], folders[name], kind, value)
            more = SNAPSHOTS_ONLY if kind == "rdb" else (*LOGGED, "no")
            rounds = [
                [loading(options, start, more, folders.get(name, folders["redis"])) for name, start in starts.items()]
                for _ in range(options.rounds)
            ]
            found = [medians(column) for column in zip(*rounds)]
            for name, own in zip(starts, found):
                writer = name if name in folders else "redis"
                megabytes = sum(path.stat().st_size for path in folders[writer].rglob("*") if path.is_file()) / 1e6
                ratios = ratio(found[0].more, own.more), ratio(found[0].cpu, own.cpu)
                rate = ratio(options.keys, own.more)
                report.row(file, writer, megabytes, name, own.empty, own.whole, own.more, rate, own.cpu, *ratios)


# The machine's disk


@contextmanager
def temporary_folder(options: argparse.Namespace) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        yield Path(folder)


def about_disk(folder: Path) -> dict[str, Any]:
    """Say what file system a folder is on, and what it takes to make 4 KB durable."""
    device = os.stat(folder).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    kinds = [mount[mount.index("-") + 1] for mount in mounts if mount[2] == number]
    times = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(100):
            file.write(bytes(4096))
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begun)
    return {"file system": kinds[0] if kinds else "unknown", "fdatasync us": round(median(times) * 1e6)}


PARTS: dict[str, Callable[[argparse.Namespace, Report, Starts], None]] = {
    "log": logging_cost,
    "snapshot": snapshot_cost,
    "load": loading_cost,
}


def main() -> None:
    arguments = Arguments(__doc__, rounds=3)
    arguments.size("--keys", 1_000_000, 20_000, "keys of snapshots, and in files that are loaded")
    arguments.size("--requests", 100_000, 2_000, "requests of redis-benchmark, four times as many pipelined")
    arguments.size("--rate", 10_000, 5_000, "requests a second that are offered during snapshots, after a fifth of it")
    arguments.size("--seconds", 2.0, 0.1, "length of the time before a snapshot, and at least that of the snapshots")
    arguments.add_argument(
        "--server",
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="a server to measure in place of owncache, with {port} for its port; of itself it must not write files; "
        "may be repeated",
    )
    arguments.add_argument(
        "--own-file",
        action="append",
        default=[],
        choices=["rdb", "aof"],
        help="let each server load what it wrote itself; may be repeated",
    )
    arguments.add_argument("--only", action="append", choices=list(PARTS), help="a part to run; may be repeated")
    arguments.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()), help="where the servers' files go [%(default)s]"
    )
    options = arguments.read()
    starts = subjects(options)
    need("redis-server", "redis-benchmark")
    report = Report("durability", options, "redis-server")
    disk = about_disk(options.folder)
    disk["servers"] = options.server
    report.about.update(disk)
    print(", ".join(f"{what} {value}" for what, value in disk.items() if value))
    for part in options.only or PARTS:
        PARTS[part](options, report, starts)
    report.save()


if __name__ == "__main__":
    main()
