"""The files of Redis 7.0 and ours are the same: what one program wrote the other one reads, both ways."""

from __future__ import annotations

import math
import re
import shutil
import struct
import subprocess
import time
from pathlib import Path
from typing import Callable, Iterable

import pytest

from tests.rdb import files as make

from .file_collections import collection_changes
from .file_data import DATA, YEAR_2100, changes, deadlines
from .programs import (
    OURS,
    Complaint,
    Contents,
    Program,
    Request,
    assert_alike,
    contents,
    files,
    manifest,
    running,
    started,
    tool,
)
from .replies import parse
from .servers import encode

pytestmark = [pytest.mark.peer, pytest.mark.processes]

WAYS = [pytest.param("redis", OURS, id="redis to ours"), pytest.param(OURS, "redis", id="ours to redis")]
ways = pytest.mark.parametrize(("writer", "reader"), WAYS)

NO_SAVE = ("--save", "")
LOG = (*NO_SAVE, "--appendonly", "yes", "--appendfsync", "always")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for files; the test is skipped where Redis is missing."""
    tool("redis-server")
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def fill(program: Program, requests: Iterable[Request]) -> Contents:
    """Send requests, wait until the shortest deadlines have passed, and give what the program holds."""
    requests = list(requests)
    for request, reply in zip(requests, program.ask_all(requests)):
        assert not (isinstance(reply, Complaint) and "unknown command" in reply), request
    time.sleep(0.02)
    return contents(program)


def check(*words: object) -> None:
    """Have one of Redis's programs look at a file, which must be clean."""
    command = [tool(str(words[0])), *map(str, words[1:])]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]


def check_log(folder: Path) -> None:
    """Have redis-check-aof look at the whole folder of a log."""
    check("redis-check-aof", folder / "appendonlydir" / "appendonly.aof.manifest")


# Snapshots


@ways
@pytest.mark.parametrize("data", DATA)
@pytest.mark.every(13)
def test_a_snapshot_is_read_by_the_other(folder: Path, writer: str, reader: str, data: str) -> None:
    with running(writer, folder, *NO_SAVE) as program:
        written = fill(program, DATA[data]())
        assert program.ask("SAVE") == b"OK"
    check("redis-check-rdb", folder / "dump.rdb")
    with running(reader, folder, *NO_SAVE) as program:
        assert_alike(written, contents(program))
        assert program.info("persistence")["rdb_last_load_keys_loaded"] == str(len(written))


WIDE = ("--hash-max-listpack-entries", "100000", "--hash-max-listpack-value", "1000000")
OPTIONS = [(), ("--rdbcompression", "no"), ("--rdbchecksum", "no"), ("--dbfilename", "other.rdb")]


@ways
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: " ".join(options) or "BGSAVE")
@pytest.mark.every(8)
def test_a_snapshot_with_other_options_is_read_by_the_other(
    folder: Path, writer: str, reader: str, options: tuple[str, ...]
) -> None:
    with running(writer, folder, *NO_SAVE, *options) as program:
        written = fill(program, [request for data in DATA.values() for request in data()])
        assert program.ask("BGSAVE") == b"Background saving started"
        program.wait_for_children()
    name = "other.rdb" if "--dbfilename" in options else "dump.rdb"
    assert list(files(folder)) == [name]
    check("redis-check-rdb", folder / name)
    with running(reader, folder, *NO_SAVE, *options) as program:
        assert_alike(written, contents(program))


@pytest.mark.parametrize("data", ["hashes", "seed 1"])
def test_hashes_that_are_packed_however_large_are_read(folder: Path, data: str) -> None:
    with running("redis", folder, *NO_SAVE, *WIDE) as program:
        written = fill(program, DATA[data]())
        program.ask("SAVE")
    with running(OURS, folder, *NO_SAVE) as program:
        assert_alike(written, contents(program))


@ways
@pytest.mark.parametrize("words", [(), ("SAVE",)], ids=["save points", "asked for"])
def test_a_snapshot_is_written_at_the_end(folder: Path, writer: str, reader: str, words: tuple[str, ...]) -> None:
    with running(writer, folder, *(NO_SAVE if words else ("--save", "3600 1"))) as program:
        written = fill(program, DATA["databases"]())
        program.shut_down(*words)
    assert list(files(folder)) == ["dump.rdb"]
    with running(reader, folder, *NO_SAVE) as program:
        assert_alike(written, contents(program))


@pytest.mark.parametrize("options", [("--save", "3600 1"), NO_SAVE], ids=["save points", "none"])
@pytest.mark.parametrize("name", sorted({"redis", OURS}))
def test_no_snapshot_is_written_where_none_is_wished(folder: Path, name: str, options: tuple[str, ...]) -> None:
    with running(name, folder, *options) as program:
        program.tell([("SET", "k", "v")])
        program.shut_down(*(() if options == NO_SAVE else ("NOSAVE",)))
    assert files(folder) == {}


def test_deadlines_stay_the_same_to_the_millisecond(folder: Path) -> None:
    with running("redis", folder, *NO_SAVE) as program:
        written = fill(program, deadlines())
        program.ask("SAVE")
    for name in (OURS, "redis"):
        with running(name, folder, *NO_SAVE) as program:
            read = contents(program)
            program.ask("SAVE")
    assert read == written


@ways
def test_keys_that_expire_while_nobody_runs_are_not_loaded(folder: Path, writer: str, reader: str) -> None:
    with running(writer, folder, *NO_SAVE) as program:
        soon = int(time.time() * 1000) + 1000
        program.tell([("SET", "stays", "v"), ("SET", "goes", "v", "PXAT", soon), ("HSET", "too", "f", "v")])
        program.tell([("PEXPIREAT", "too", soon), ("SAVE",)])
    time.sleep(max(0.0, soon / 1000 - time.time()) + 0.01)
    with running(reader, folder, *NO_SAVE) as program:
        assert program.ask("DBSIZE") == 1
        told = program.info("persistence")
        assert (told["rdb_last_load_keys_loaded"], told["rdb_last_load_keys_expired"]) == ("1", "2")


@pytest.mark.parametrize("data", DATA)
@pytest.mark.every(7)
def test_what_dump_gives_is_restored_by_the_other(folder: Path, data: str) -> None:
    other = folder.parent / "other"
    other.mkdir()
    with running("redis", folder, *NO_SAVE) as redis, running(OURS, other, *NO_SAVE) as ours:
        for writer, reader in ((redis, ours), (ours, redis)):
            for program in (redis, ours):
                program.tell([("FLUSHALL",)])
            written = fill(writer, DATA[data]())
            for (index, key), (_, _, deadline) in written.items():
                payload = writer.ask_all([("SELECT", index), ("DUMP", key)])[1]
                assert isinstance(payload, bytes)
                restore = ("RESTORE", key, deadline or 0, payload, "ABSTTL")
                reader.tell([("SELECT", index), restore])
            assert_alike(written, contents(reader))


# Logs

LOGS: dict[str, tuple[tuple[str, ...], str]] = {
    "an incr file": ((), ""),
    "a base that is an RDB file": ((), "half"),
    "a base of commands": (("--aof-use-rdb-preamble", "no"), "end"),
    "a log that was rewritten at its end": ((), "end"),
    "a log with timestamps": (("--aof-timestamp-enabled", "yes"), ""),
    "a base of commands with timestamps": (("--aof-timestamp-enabled", "yes", "--aof-use-rdb-preamble", "no"), "half"),
    "a log of other names": (("--appendfilename", "my log", "--appenddirname", "logs"), "half"),
}


CHANGES: dict[str, Callable[[], list[Request]]] = {
    "changes": changes,
    "collection changes": collection_changes,
    "data": lambda: [request for make_some in DATA.values() for request in make_some()],
}

LARGE = {"an incr file", "a base of commands", "a log that was rewritten at its end"}
"""The kinds of which each value has to be tried; those that remain are the same but for their frame."""


@ways
@pytest.mark.parametrize(
    ("kind", "data"), [(kind, data) for kind in LOGS for data in CHANGES if kind in LARGE or data != "data"]
)
@pytest.mark.every(13)
def test_a_log_is_read_by_the_other(folder: Path, writer: str, reader: str, kind: str, data: str) -> None:
    options, rewritten = LOGS[kind]
    with running(writer, folder, *LOG, *options) as program:
        requests = CHANGES[data]()
        if rewritten == "half":
            half = len(requests) // 2
            fill(program, requests[:half])
            rewrite(program)
            requests = requests[half:]
        written = fill(program, requests)
        if rewritten == "end":
            rewrite(program)
        program.kill()  # it has no chance to write anything any more
    # Redis's log does not tell how far a group has read, nor any requests what it was given and has been deleted since.
    if data == "collection changes" and (writer == "redis" or kind == "a base of commands"):
        with running(writer, folder, *LOG, *options) as program:
            written = contents(program)
            program.kill()
    name, directory = ("my log", "logs") if "logs" in options else ("appendonly.aof", "appendonlydir")
    check("redis-check-aof", folder / directory / f"{name}.manifest")
    with running(reader, folder, *LOG, *options) as program:
        assert_alike(written, contents(program))
        program.tell([("SET", "written by the other", "v"), ("SELECT", 7), ("HSET", "too", "f", "v")])
        written = contents(program)
        program.kill()
    check("redis-check-aof", folder / directory / f"{name}.manifest")
    with running(writer, folder, *LOG, *options) as program:
        assert_alike(written, contents(program))


def rewrite(program: Program) -> None:
    """Rewrite the log, and wait for the end of it."""
    assert program.ask("BGREWRITEAOF") == b"Background append only file rewriting started"
    program.wait_for_children()


@ways
def test_what_a_log_says_was_emptied_is_empty(folder: Path, writer: str, reader: str) -> None:
    with running(writer, folder, *LOG) as program:
        for request in (("FLUSHALL",), ("FLUSHDB",), ("FLUSHALL", "ASYNC")):
            written = fill(program, [*DATA["databases"](), ("SELECT", 9), request, ("SET", "k", "v", "EX", 5000)])
        program.shut_down()
    check_log(folder)
    with running(reader, folder, *LOG) as program:
        assert_alike(written, contents(program))


@ways
def test_keys_that_expired_or_went_for_memory_are_not_read_from_a_log(folder: Path, writer: str, reader: str) -> None:
    with running(writer, folder, *LOG, "--maxmemory-policy", "volatile-ttl") as program:
        fill(program, [("SET", f"short {place}", "v", "PX", 1) for place in range(50)])
        program.tell([("GET", "short 1"), ("APPEND", "short 2", "x"), ("HSET", "short 3", "f", "v")])
        program.tell([("MSET", "stays", "v", "too", "w"), ("SET", "evicted", "v", "EX", 5000)])
        program.tell([("CONFIG", "SET", "maxmemory", 1), ("PING",), ("CONFIG", "SET", "maxmemory", 0)])
        written = contents(program)
        program.kill()
    assert {key for _, key in written} == {b"stays", b"too", b"short 2", b"short 3"}
    with running(reader, folder, *LOG) as program:
        assert_alike(written, contents(program))


def parsed(data: bytes) -> list[list[bytes]]:
    """Give the requests of a log, their names in capitals."""
    requests, at = [], 0
    while at < len(data):
        (_, items), at = parse(data, at)
        words = [text for _, text in items]
        requests.append([words[0].upper(), *words[1:]])
    return requests


def about_now(word: bytes) -> bool:
    """Tell whether a word may be a deadline in milliseconds that depends on when it was asked for."""
    return re.fullmatch(rb"1\d{12}", word) is not None


def test_the_logs_of_both_say_the_same(tmp_path: Path) -> None:
    tool("redis-server")
    folders = [tmp_path / "redis", tmp_path / "ours"]
    for folder in folders:
        folder.mkdir()
    with running("redis", folders[0], *LOG) as redis, running(OURS, folders[1], *LOG) as ours:
        requests = [request for request in changes() if "past" not in request]
        for program in (redis, ours):
            fill(program, requests)
            program.kill()
    theirs, other = (
        parsed((folder / "appendonlydir" / "appendonly.aof.1.incr.aof").read_bytes()) for folder in folders
    )
    for request, same in zip(theirs, other):
        assert [b"<time>" if about_now(word) else word for word in same] == [
            b"<time>" if about_now(word) else word for word in request
        ]
        for one, two in zip(request, same):
            assert not about_now(one) or abs(int(one) - int(two)) < 10_000, (request, same)
    assert len(other) == len(theirs)


def test_the_folders_of_both_look_alike_at_each_step(tmp_path: Path) -> None:
    seen: list[list[object]] = []
    for place, name in enumerate(("redis", OURS)):
        folder = tmp_path / str(place)
        folder.mkdir()
        steps: list[object] = []
        for _ in range(2):
            with running(name, folder, *LOG) as program:
                look(folder, steps)
                for _ in range(2):
                    program.tell([("INCR", "n")])
                    rewrite(program)
                    look(folder, steps)
                program.tell([("CONFIG", "SET", "appendonly", "no"), ("INCR", "n")])
                look(folder, steps)
                program.tell([("CONFIG", "SET", "appendonly", "yes"), ("INCR", "n")])
                program.wait_for_children()
                look(folder, steps)
                program.tell([("INCR", "n")])
                program.shut_down()
                look(folder, steps)
        with running(name, folder, *LOG) as program:
            steps.append(program.ask("GET", "n"))
        seen.append(steps)
    assert seen[1] == seen[0]


def look(folder: Path, steps: list[object]) -> None:
    """Note the manifest, and all files once those are gone that are removed in the background."""
    text = manifest(folder)
    named = {f"appendonlydir/{name}" for name in re.findall(r"^file (\S+)", text, re.MULTILINE)}
    deadline = time.monotonic() + 10
    while set(files(folder)) != {*named, "appendonlydir/appendonly.aof.manifest"} and time.monotonic() < deadline:
        time.sleep(0.01)
    steps.append((text, sorted(files(folder))))


# Folders as they may be found

BASE = make.rdb(make.select(0), make.key(b"base", make.STRING, make.string(b"v")))
INCR = encode(("SELECT", 0)) + encode(("SET", "a", 1)) + encode(("SET", "b", 2))
MORE = encode(("SET", "c", 3))
OPEN = encode(("MULTI",)) + encode(("SET", "in multi", 1))
MODULE_VALUE = make.dump_payload(7, b"\x81\x85\xe9e\xb2\xd5\xe0\x04\x00\x02\x05\x00")
NO_NUMBER = make.dump_payload(make.ZSET, b"\x01\x01a" + struct.pack("<d", math.nan))
BASE_LINE = "file appendonly.aof.2.base.rdb seq 2 type b\n"
INCR_LINE = "file appendonly.aof.2.incr.aof seq 2 type i\n"
MORE_LINE = "file appendonly.aof.3.incr.aof seq 3 type i\n"
MANIFEST = BASE_LINE + INCR_LINE


def log(*incrs: bytes, base: bytes = BASE, text: str = "") -> dict[str, bytes]:
    """Give the files of a log with a base and incr files from the second on."""
    found = {"appendonlydir/appendonly.aof.2.base.rdb": base}
    for place, data in enumerate(incrs, 2):
        found[f"appendonlydir/appendonly.aof.{place}.incr.aof"] = data
    text = text or MANIFEST + MORE_LINE * (len(incrs) > 1)
    return {**found, "appendonlydir/appendonly.aof.manifest": text.encode()}


FOLDERS: dict[str, dict[str, bytes]] = {
    "nothing": {},
    "a snapshot only": {"dump.rdb": BASE},
    "an old log only": {"appendonly.aof": INCR},
    "an old log and a snapshot": {"appendonly.aof": INCR, "dump.rdb": BASE},
    "an empty old log": {"appendonly.aof": b""},
    "an old log that begins with a snapshot": {"appendonly.aof": BASE + INCR},
    "an old log that is torn": {"appendonly.aof": INCR[:-3]},
    "an old log and a snapshot and a folder": {"appendonly.aof": MORE, "dump.rdb": BASE, **log(INCR)},
    "a whole folder": log(INCR),
    "a folder without a manifest": {name: data for name, data in log(INCR).items() if "manifest" not in name},
    "a folder with two incr files": log(INCR, MORE),
    "an empty incr file": log(b""),
    "two incr files, the last empty": log(INCR, b""),
    "an empty base": log(INCR, base=b""),
    "a base of commands": log(INCR, base=MORE),
    "a base that is a snapshot and commands": log(INCR, base=BASE + MORE),
    "a base and garbage": log(INCR, base=BASE + b"xyz"),
    "a base that is cut": log(INCR, base=BASE[:-9]),
    "a base that is damaged": log(INCR, base=BASE[:-1] + b"?"),
    "no base": log(INCR, text=INCR_LINE),
    "no incr file": log(INCR, text=BASE_LINE),
    "an incr file that is missing": log(INCR, text=MANIFEST + MORE_LINE),
    "a base that is missing": log(INCR, text="file appendonly.aof.9.base.rdb seq 9 type b\n" + INCR_LINE),
    "torn in the last word": log(INCR[:-3]),
    "torn before the last newline": log(INCR[:-1]),
    "torn in the first request": log(INCR[:7]),
    "torn in a number": log(INCR + b"*3\r\n$"),
    "torn in a transaction": log(INCR + OPEN),
    "torn, and not the last": log(INCR[:-3], MORE),
    "a transaction that does not end, and not the last": log(INCR + OPEN, MORE),
    "a database is selected at the end of the first of two": log(INCR + encode(("SELECT", 5)), MORE),
    "garbage at the end": log(INCR + b"garbage\r\n"),
    "garbage in the middle": log(INCR + b"garbage\r\n" + MORE),
    "a blank line": log(b"\r\n" + INCR),
    "zeros at the end": log(INCR + bytes(64)),
    "an inline request": log(b"SET q 1\r\n" + INCR),
    "no words": log(b"*0\r\n" + INCR),
    "a word of a wrong length": log(b"*3\r\n$3\r\nSET\r\n$1\r\nab\r\n$1\r\n1\r\n" + INCR),
    "a word without a length": log(b"*3\r\n$3\r\nSET\r\n$x\r\na\r\n$1\r\n1\r\n" + INCR),
    "a word longer than the file": log(INCR + b"*3\r\n$3\r\nSET\r\n$99999\r\na\r\n" + MORE),
    "an unknown command": log(encode(("FLY", "away")) + INCR),
    "an unknown command in a transaction": log(INCR + encode(("MULTI",)) + encode(("FLY",)) + encode(("EXEC",))),
    "a transaction": log(INCR + OPEN + encode(("EXEC",)) + MORE),
    "a request that fails": log(INCR + encode(("HSET", "a", "f", "v")) + MORE),
    "a request that fails in a transaction": log(INCR + OPEN + encode(("INCR", "x", "y")[:2]) + encode(("EXEC",))),
    "a value of a module": log(INCR + encode(("RESTORE", "k", 0, MODULE_VALUE)) + MORE),
    "a value of a module in a transaction": log(
        INCR + OPEN + encode(("RESTORE", "k", 0, MODULE_VALUE)) + encode(("EXEC",)) + MORE
    ),
    "a sorted set with a score that is no number": log(INCR + encode(("RESTORE", "k", 0, NO_NUMBER)) + MORE),
    "a payload that is garbage": log(INCR + encode(("RESTORE", "k", 0, b"garbage")) + MORE),
    "a payload of no known type": log(INCR + encode(("RESTORE", "k", 0, make.dump_payload(0x63, b"\x01a"))) + MORE),
    "a database that is none": log(INCR + encode(("SELECT", 99)) + MORE),
    "requests that read": log(encode(("GET", "a")) + encode(("PING",)) + INCR),
    "requests in small letters": log(encode(("set", "a", 1, "exat", YEAR_2100)) + encode(("select", 3)) + MORE),
    "deadlines that have passed": log(INCR + encode(("PEXPIREAT", "a", 5)) + encode(("SET", "d", 1, "PXAT", 5))),
    "a timestamp": log(b"#TS:1600000000\r\n" + INCR + b"#TS:1600000001\r\n" + MORE),
    "a remark": log(b"#anything\n" + INCR),
    "a timestamp that is torn": log(INCR + b"#TS:16"),
    "a timestamp in a transaction": log(INCR + OPEN + b"#TS:5\r\n" + encode(("EXEC",))),
    "an empty manifest": {**log(INCR), "appendonlydir/appendonly.aof.manifest": b""},
    "a manifest with a comment": log(INCR, text="# hello\n" + MANIFEST),
    "a manifest with a blank line": log(INCR, text=BASE_LINE + "\n" + INCR_LINE),
    "a manifest without a last newline": log(INCR, text=MANIFEST[:-1]),
    "a manifest with carriage returns": log(INCR, text=MANIFEST.replace("\n", "\r\n")),
    "a manifest in another order": log(INCR, text=INCR_LINE + BASE_LINE),
    "a manifest with words in another order": log(
        INCR, text="type b seq 2 file appendonly.aof.2.base.rdb\n" + INCR_LINE
    ),
    "a manifest in capitals": log(INCR, text=BASE_LINE.replace("file", "FILE").replace("type", "TYPE") + INCR_LINE),
    "a manifest with quotes": log(INCR, text='file "appendonly.aof.2.base.rdb" seq 2 type b\n' + INCR_LINE),
    "a manifest with more words": log(INCR, text=BASE_LINE[:-1] + " more here\n" + INCR_LINE),
    "a manifest of an unknown type": log(INCR, text=BASE_LINE.replace("type b", "type x") + INCR_LINE),
    "a manifest without a sequence": log(INCR, text=BASE_LINE.replace("seq 2 ", "") + INCR_LINE),
    "a manifest of sequence 0": log(INCR, text=BASE_LINE.replace("seq 2", "seq 0") + INCR_LINE),
    "a manifest of two bases": log(INCR, text=BASE_LINE * 2 + INCR_LINE),
    "a manifest that goes back": log(INCR, MORE, text=BASE_LINE + MORE_LINE + INCR_LINE),
    "a manifest that names a file twice": log(INCR, text=BASE_LINE + INCR_LINE * 2),
    "a manifest with a path": log(INCR, text="file ../dump.rdb seq 2 type b\n" + INCR_LINE),
    "a manifest of long lines": log(INCR, text="x" * 2000 + "\n"),
    "a manifest with history": {
        **log(INCR, text=MANIFEST + "file appendonly.aof.1.base.rdb seq 1 type h\n"),
        "appendonlydir/appendonly.aof.1.base.rdb": b"old",
    },
}

WRITTEN = "appendonly.aof.1.base"
"""A base that is written at the start says who wrote it, and may be of another size."""


def lay_out(folder: Path, found: dict[str, bytes]) -> None:
    for name, data in found.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


OPTIONS = {
    "log": LOG,
    "log, nothing torn": (*LOG, "--aof-load-truncated", "no"),
    "no log": NO_SAVE,
    "log, bases of commands": (*LOG, "--aof-use-rdb-preamble", "no"),
}
UNREADABLE = "without appendonly the manifest is not looked at, and nothing is refused for what it says"
UNTOUCHED = "where the start is refused, no file is changed; Redis moves, or cuts, before it refuses"
MET_OTHERWISE: dict[str, tuple[str, set[str]]] = {
    "an old log that is torn": (UNTOUCHED, {"log, nothing torn"}),
    "torn, and not the last": (UNTOUCHED, {"log", "log, bases of commands"}),
    "a transaction that does not end, and not the last": (UNTOUCHED, {"log", "log, bases of commands"}),
    "a timestamp that is torn": ("what is written behind it would be part of it", {*OPTIONS} - {"no log"}),
    "zeros at the end": ("a machine that lost power leaves them", {"log", "log, bases of commands"}),
    "a word longer than the file": (
        "whole requests follow behind it: they would be cut off for one wrong byte",
        {"log", "log, bases of commands"},
    ),
    "a manifest with history": ("without appendonly the folder is not touched", {"no log"}),
    **{
        kind: (UNREADABLE, {"no log"})
        for kind in FOLDERS
        if kind.startswith(("a manifest", "an empty manifest"))
        and not kind.endswith(("comment", "returns", "order", "capitals", "history", "quotes", "more words"))
    },
}
"""What is met in another way than Redis's, why, and with which options."""


def met(
    tmp_path: Path, program_name: str, kind: str, options: tuple[str, ...]
) -> tuple[object, object, object, object]:
    """Start a program on a folder; give what it holds, its exit status, the sizes of its files, and the manifest."""
    folder = tmp_path / program_name
    folder.mkdir()
    lay_out(folder, FOLDERS[kind])
    with started(program_name, folder, *options) as program:
        held = contents(program) if program.status is None else None
        if options is not NO_SAVE:
            settle(folder)
        sizes = {each: 0 if WRITTEN in each else size for each, size in files(folder).items()}
        return held, program.status, sizes, manifest(folder)


@pytest.mark.parametrize(
    ("kind", "option"),
    [(kind, option) for kind in FOLDERS for option in OPTIONS if option not in MET_OTHERWISE.get(kind, ("", set()))[1]],
)
@pytest.mark.every(37)
def test_a_folder_as_it_may_be_found_is_met_alike(tmp_path: Path, kind: str, option: str) -> None:
    tool("redis-server")
    theirs, *rest = met(tmp_path, "redis", kind, OPTIONS[option])
    ours, *others = met(tmp_path, OURS, kind, OPTIONS[option])
    assert others == rest
    if theirs is not None and ours is not None:
        assert_alike(theirs, ours)


@pytest.mark.parametrize(
    ("kind", "option"), [(kind, option) for kind in MET_OTHERWISE for option in MET_OTHERWISE[kind][1]]
)
@pytest.mark.every(13)
def test_what_is_met_otherwise_really_is_and_no_file_is_changed_by_a_refusal(
    tmp_path: Path, kind: str, option: str
) -> None:
    tool("redis-server")
    if OURS == "redis":
        return
    theirs = met(tmp_path, "redis", kind, OPTIONS[option])
    ours = met(tmp_path, OURS, kind, OPTIONS[option])
    assert ours[1:] != theirs[1:]
    if ours[1] is not None:
        found = {name: 0 if WRITTEN in name else len(data) for name, data in FOLDERS[kind].items()}
        assert ours[2] == found


def settle(folder: Path) -> None:
    """Wait until the files of the past are removed, which happens in the background."""
    deadline = time.monotonic() + 10
    while (folder / "appendonlydir" / "appendonly.aof.1.base.rdb").exists() and "type h" in manifest(folder):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("head", [b"", BASE], ids=["commands", "a snapshot and commands"])
def test_an_old_log_of_one_file_is_taken_over(folder: Path, tmp_path: Path, head: bytes) -> None:
    with running("redis", folder, *LOG) as program:
        written = fill(program, [("SET", "base", "v"), *changes()])
        program.kill()
    data = (folder / "appendonlydir" / "appendonly.aof.1.incr.aof").read_bytes()
    found = []
    for place, (first, second) in enumerate((("redis", OURS), (OURS, "redis"))):
        old = tmp_path / str(place)
        lay_out(old, {"appendonly.aof": head + data})
        with running(first, old, *LOG) as program:
            assert_alike(written, contents(program))
            program.tell([("SET", "later", "v")])
            program.kill()
        found.append((files(old), manifest(old)))
        with running(second, old, *LOG) as program:
            assert_alike({**written, (0, b"later"): (b"string", b"v", None)}, contents(program))
        check_log(old)
    assert found[1] == found[0]


@ways
def test_a_folder_that_was_copied_while_it_was_written_is_read(folder: Path, writer: str, reader: str) -> None:
    copy = folder.parent / "copy"
    with running(writer, folder, *LOG) as program:
        fill(program, changes())
        rewrite(program)
        written = fill(program, [("SET", f"k{place}", place) for place in range(100)])
        shutil.copytree(folder, copy)
    with running(reader, copy, *LOG) as program:
        assert_alike(written, contents(program))


STEPS: dict[str, Callable[[Program], None]] = {
    "start": lambda program: None,
    "writes": lambda program: program.tell([("MSET", "a", 1, "b", 2), ("HSET", "h", "f", 1, "g", 2), ("DEL", "a")]),
    "nothing": lambda program: program.tell([("SETNX", "b", 1), ("DEL", "nope"), ("HDEL", "h", "nope"), ("GET", "b")]),
    "SAVE": lambda program: program.tell([("SAVE",)]),
    "a write": lambda program: program.tell([("SET", "c", 1)]),
    "BGSAVE": lambda program: program.tell([("BGSAVE",)]),
    "FLUSHALL": lambda program: program.tell([("FLUSHALL",)]),
    "BGREWRITEAOF": lambda program: program.tell([("BGREWRITEAOF",)]),
}
TOLD = """
loading async_loading rdb_changes_since_last_save rdb_bgsave_in_progress rdb_last_bgsave_status rdb_saves
rdb_current_bgsave_time_sec rdb_last_load_keys_expired rdb_last_load_keys_loaded aof_enabled aof_rewrite_in_progress
aof_rewrite_scheduled aof_current_rewrite_time_sec aof_last_bgrewrite_status aof_rewrites aof_last_write_status
aof_rewrites_consecutive_failures
""".split()


@pytest.mark.parametrize("options", [NO_SAVE, LOG, ("--save", "3600 1")], ids=["nothing", "log", "save points"])
def test_info_tells_the_same_at_each_step(tmp_path: Path, options: tuple[str, ...]) -> None:
    told: list[dict[str, object]] = []
    for place, name in enumerate(("redis", OURS)):
        folder = tmp_path / str(place)
        folder.mkdir()
        with running(name, folder, *options) as program:
            said: dict[str, object] = {}
            for step, act in STEPS.items():
                act(program)
                program.wait_for_children()
                fields = program.info("persistence")
                said[step] = {field: fields.get(field) for field in TOLD}
            said["names"] = list(fields)
        told.append(said)
    for step, theirs in told[0].items():
        assert told[1][step] == theirs, step
