"""What all benchmarks share: their options, the servers that they start, and the tables that they print.

Not a benchmark itself.  Servers listen on 127.0.0.1 alone, and each ends with the block that it was started for.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, NamedTuple

FOLDER = Path(__file__).resolve().parent
PATIENCE = 20.0
"""Seconds that a server has to start, to answer and to end."""

TWISTD = "from twisted.scripts.twistd import run; run()"
ABOUT = """\
import json, platform, shlex, sysconfig, twisted, twisted_kv.version as ours, twisted_kv.store.database as compiled
build = "" if compiled.__file__.endswith(".py") else ", compiled"
words = shlex.split(sysconfig.get_config_var("CONFIG_ARGS") or "")
built = [word for word in words if "optimizations" in word or "lto" in word]
print(json.dumps({"owncache": ours.VERSION, "Twisted": twisted.__version__,
                  "interpreter": platform.python_implementation() + " " + platform.python_version() + build,
                  "configured with": " ".join(built)}))
"""


class Arguments(argparse.ArgumentParser):
    """The options of a benchmark: those that all have, and sizes, which `--quick` makes small."""

    def __init__(self, description: str | None, rounds: int = 5) -> None:
        super().__init__(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
        self.sizes: dict[str, tuple[Any, Any]] = {}
        self.add_argument("--quick", action="store_true", help="a run of a few seconds; its figures are worth nothing")
        self.size("--rounds", rounds, 1, "rounds, of which the medians are told")
        self.add_argument("--python", default=sys.executable, metavar="PATH", help="the interpreter for owncache")
        self.add_argument(
            "--option", default="", metavar="OPTIONS", help='more options of twistd owncache, as --option="--port 7000"'
        )
        self.add_argument(
            "--results",
            type=Path,
            metavar="FOLDER",
            help=f"where the JSON file goes [{FOLDER.name}/results; nowhere with --quick]",
        )

    def size(self, flag: str, full: float, quick: float, purpose: str) -> None:
        """Add an option for a number, with its default in a whole run and in a quick one."""
        self.sizes[flag.strip("-").replace("-", "_")] = (full, quick)
        self.add_argument(flag, type=type(full), metavar="N", help=f"{purpose} [{full}; {quick} with --quick]")

    def read(self) -> argparse.Namespace:
        """Read the command line; from now on SIGTERM ends the benchmark in order, with all that it started."""
        options = self.parse_args()
        for name, (full, quick) in self.sizes.items():
            if getattr(options, name) is None:
                setattr(options, name, quick if options.quick else full)
        found = shutil.which(options.python)
        if found is not None:
            options.python = os.path.abspath(found)  # servers run in a folder of their own
        if options.results is None and not options.quick:
            options.results = FOLDER / "results"
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
        return options


def installed(*programs: str) -> bool:
    """Tell whether all of these programs are there."""
    return all(shutil.which(program) for program in programs)


def need(*programs: str) -> None:
    """End the benchmark with a clear word unless all of these programs are there."""
    for program in programs:
        if not installed(program):
            sys.exit(f"{program} is not installed, and this benchmark needs it")


class Server:
    """A running server, and what the system says of it and of the processes that it started."""

    def __init__(self, name: str, port: int, process: subprocess.Popen[bytes]) -> None:
        self.name = name
        self.port = port
        self.process = process

    def cpu_seconds(self) -> float:
        """The CPU time used so far, in user and in system mode, to the microsecond (/proc counts in hundredths)."""
        seconds = 0.0
        for pid in _tree(self.process.pid):
            with suppress(OSError):
                seconds += time.clock_gettime(~pid << 3 | 2)  # the number of its clock: see clock_getcpuclockid(3)
        return seconds

    def resident_bytes(self) -> int:
        """The memory that is in use just now (VmRSS)."""
        kilobytes = 0
        for pid in _tree(self.process.pid):
            with suppress(FileNotFoundError, ProcessLookupError):
                found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
                kilobytes += int(found.group(1)) if found else 0
        return kilobytes * 1024

    def resident_bytes_with_forks(self) -> int:
        """The process's own VmRSS, and of those that it forked what they do not share with it (Private_Dirty)."""
        kilobytes = 0
        for pid in _tree(self.process.pid):
            own = pid == self.process.pid
            path, pattern = ("status", r"VmRSS:\s+(\d+)") if own else ("smaps_rollup", r"Private_Dirty:\s+(\d+)")
            with suppress(OSError):
                found = re.search(pattern, Path(f"/proc/{pid}/{path}").read_text())
                kilobytes += int(found.group(1)) if found else 0
        return kilobytes * 1024

    def cpu_seconds_of_ended(self) -> float:
        """The CPU time of the processes that it started and that have ended, to the hundredth."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")

    def connect(self) -> socket.socket:
        stream = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return stream


def _tree(pid: int) -> Iterator[int]:
    """Give a process and those that descend from it."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in children.read_text().split():
                yield from _tree(int(child))


def free_port() -> int:
    """Give a number that is free for TCP and for UDP just now."""
    while True:
        with socket.socket() as stream, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            stream.bind(("127.0.0.1", 0))
            with suppress(OSError):
                datagrams.bind(stream.getsockname())
                return int(stream.getsockname()[1])


def answers_tcp(port: int) -> bool:
    """Tell whether a server answers PING: not while it loads its data."""
    try:
        with socket.create_connection(("127.0.0.1", port), 0.5) as peer:
            peer.sendall(b"PING\r\n")
            return peer.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def answers_memcached(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(0.2)
        peer.connect(("127.0.0.1", port))
        try:
            peer.send(b"\0\0\0\0\0\1\0\0version\r\n")
            return b"VERSION" in peer.recv(2048)
        except OSError:
            return False


@contextmanager
def running(
    name: str, *command: str, answers: Callable[[int], bool] = answers_tcp, patience: float = PATIENCE
) -> Iterator[Server]:
    """Run a server until the block ends; `{port}` in the command is filled in, and it has so many seconds to start."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        with open(log, "wb") as output:
            process = subprocess.Popen(
                [word.replace("{port}", str(port)) for word in command],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            deadline = time.monotonic() + patience
            while not answers(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"{name} did not start:\n{log.read_text(errors='replace')[-2000:]}")
                time.sleep(0.02)
            yield Server(name, port, process)
        finally:
            end(process)


def end(process: subprocess.Popen[Any]) -> None:
    """End a process, by force if it does not go."""
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def owncache(options: argparse.Namespace, *more: str, **how: Any) -> Any:
    """Run `twistd owncache` with the interpreter and the options that were asked for."""
    given = [*more, *shlex.split(options.option)]
    command = [options.python, "-c", TWISTD, "-n", "--pidfile=", "owncache", "--port", "{port}", *given]
    return running("owncache", *command, **how)


def redis(*more: str, **how: Any) -> Any:
    """Run a redis-server that keeps nothing on disk, unless it is told to."""
    given = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", *more]
    return running("redis", "redis-server", "--port", "{port}", *given, **how)


def memcached() -> Any:
    """Run a memcached with one thread, for UDP alone."""
    given = ["-l", "127.0.0.1", "-p", "0", "-U", "{port}", "-t", "1", "-m", "256"]
    user = ["-u", "root"] if os.getuid() == 0 else []
    return running("memcached", "memcached", *user, *given, answers=answers_memcached)


class Report:
    """Prints tables as Markdown, row by row, and keeps them for the JSON file, from which the plots are drawn."""

    def __init__(self, name: str, options: argparse.Namespace, *peers: str) -> None:
        self.name = name
        self.folder: Path | None = options.results
        self.about = self._about(options, peers)
        self.tables: dict[str, list[dict[str, Any]]] = {}
        self._columns: list[str] = []
        self._rows: list[dict[str, Any]] = []
        print(", ".join(f"{what} {value}" for what, value in self.about.items() if value != ""), flush=True)

    @staticmethod
    def _about(options: argparse.Namespace, peers: Iterable[str]) -> dict[str, Any]:
        """Say what was measured where."""
        try:
            asked = subprocess.run(
                [options.python, "-c", ABOUT],
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                cwd=tempfile.gettempdir(),  # what is installed is meant, not what lies in this folder
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            sys.exit(f"cannot run {options.python}: {error}")
        if asked.returncode:
            sys.exit(f"owncache is not installed for {options.python}: {asked.stderr.strip().splitlines()[-1]}")
        model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
        about = {
            "date": time.strftime("%Y-%m-%d"),
            "machine": model.group(1) if model else platform.machine(),
            "cores": os.cpu_count(),
            "kernel": platform.release(),
            **json.loads(asked.stdout),
            "options": options.option,
            "rounds": options.rounds,
        }
        for peer in filter(installed, peers):
            output = subprocess.run([peer, "--version"], capture_output=True, text=True, timeout=PATIENCE).stdout
            version = re.search(r"\d+\.\d+[.\d]*", output)
            about[peer] = version.group(0) if version else "of unknown version"
        return about

    def table(self, title: str, *columns: str) -> None:
        """Begin a table."""
        self._columns = list(columns)
        self._rows = self.tables.setdefault(title, [])
        print(f"\n{title}\n\n| {' | '.join(columns)} |\n|{' --- |' * len(columns)}", flush=True)

    def row(self, *values: Any) -> None:
        """Add a row to the table that was begun last; None is a dash."""
        self._rows.append(dict(zip(self._columns, values)))
        print(f"| {' | '.join(map(_shown, values))} |", flush=True)

    def save(self) -> None:
        """Write the JSON file, if there is to be one."""
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            content = {"benchmark": self.name, "about": self.about, "tables": self.tables}
            (self.folder / f"{self.name}.json").write_text(json.dumps(content, indent=1) + "\n")


def _shown(value: Any) -> str:
    """Give a number three digits or so, and no more than it is worth."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.{0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2}f}"
    return str(value)


def ratio(above: float | None, below: float | None) -> float | None:
    """Give a quotient, or None where there is none."""
    return above / below if above is not None and below else None


class Figures(NamedTuple):
    """What one load gave."""

    rate: float
    """Requests per second."""
    cost: float
    """CPU microseconds of the server for each request."""
    p99: float
    """Milliseconds within which 99 of 100 requests were answered."""
