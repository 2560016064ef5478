"""Whatever moment the power goes at, what was promised is there again, and it is one moment of what clients did.

Clients write, save and rewrite while the disk does what it is given job by job; between any two operations of the disk
the power goes, and another cache starts on what is left.
"""

from __future__ import annotations

import errno
import re
from random import Random
from typing import Any, Callable, FrozenSet, Sequence, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.generated.values import as_replayed
from tests.rdb.reading import plain
from tests.storage.failing_disk import DATA, MemoryDisk, PowerLossError
from twisted_kv.persistence.log_files import read_manifest
from twisted_kv.store.entries import parts
from twisted_kv.testing import Clock, MemoryCache, MemoryConnection
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.wire.encoder import encode_request
from twisted_kv.wire.reply_reader import ReplyReader

pytestmark = pytest.mark.lua

Content = FrozenSet[Tuple[Any, ...]]
CLIENTS = 3
WAITER, SERVER = CLIENTS, CLIENTS + 1
"""Two more clients: one waits for keys, and one puts something there."""

KINDS = ["write", "partial write", "create", "replace", "remove", "take", "folder sync", "size", "make", "cut"]
"""What fails, where nothing was lost by it; a `sync` that fails is another matter."""

NO_WRITES = (b"SELECT", b"BGSAVE", b"BGREWRITEAOF", b"CONFIG", b"MULTI")

SCRIPT = b"""
local at = 1
while ARGV[at] do
  local count = tonumber(ARGV[at])
  redis.pcall(unpack(ARGV, at + 1, at + count))
  at = at + count + 1
end
"""
"""Runs requests, each behind the number of its words."""

PATIENCE = 1000
"""Turns of the reactor after which what should have ended never will."""

ALWAYS = {"appendonly": "yes", "appendfsync": "always", "save": ""}
EVERYSEC = {"appendonly": "yes", "appendfsync": "everysec", "save": ""}
LEFT_TO_THE_SYSTEM = {"appendonly": "yes", "appendfsync": "no", "save": ""}
SNAPSHOTS = {"appendonly": "no", "save": ""}


def content(cache: MemoryCache, now: float) -> Content:
    """Give all that is in the databases, less what has expired."""
    found: set[tuple[Any, ...]] = set()
    for database in cache.service.dispatcher.server.databases:
        for key, held in database.table.items():
            value, deadline, _ = parts(held)
            found.add((database.index, key, frozen(as_replayed(plain(value))), deadline))
    return unexpired(frozenset(found), now)


def frozen(value: Any) -> Any:
    """Make a value one that can be a member of a set."""
    if isinstance(value, dict):
        return frozenset((key, frozen(held)) for key, held in value.items())
    if isinstance(value, set):
        return frozenset(value)
    return tuple(map(frozen, value)) if isinstance(value, (list, tuple)) else value


def unexpired(found: Content, now: float) -> Content:
    return frozenset(each for each in found if each[3] is None or each[3] > now * 1000)


class Trial:
    """Some clients of a cache, the disk below it, and all that was there at any moment.

    `moments[n]` is what was there after n requests, `safe` how many of them the disk has to keep by now.
    """

    def __init__(self, config: dict[str, object], disk: MemoryDisk | None = None) -> None:
        self.config = {"dir": DATA, **config}
        self.disk = disk or MemoryDisk()
        self.clock = Clock()
        self.moments: list[Content] = []
        self.safe = 0
        self.number = 0
        self.lag: float | None = {"always": 0.0, "everysec": 2.0}.get(str(config.get("appendfsync")))
        self.answered: list[tuple[float, int]] = []  # when, and how many requests there had been then
        self.is_promised = config["appendonly"] == "yes"
        self.rewrites = 0
        self.last_sign = 0.0  # when anybody was last answered, or the disk was idle for a while
        self.saves: set[int] = set()  # at how many requests a save began
        self._start()

    def _start(self) -> None:
        self.cache = MemoryCache(self.config, self.clock, self.disk)
        admission = self.cache.service.dispatcher.admission
        for _ in range(PATIENCE):
            self.check_power()
            if not admission.is_loading:
                break
            self.clock.advance(0)
        assert not admission.is_loading, "it was never loaded"
        self.clients: list[MemoryConnection] = [self.cache.connect() for _ in range(SERVER + 1)]
        self.readers = [ReplyReader() for _ in self.clients]
        self.owed: list[list[int]] = [[] for _ in self.clients]

    def _note(self) -> None:
        """Take note of what is there and of who was answered."""
        self.moments.append(content(self.cache, 0))
        self.listen()

    def listen(self) -> None:
        """Take note of who was answered meanwhile.

        A disk that hangs makes what was answered older and older: answers have to wait then, and the two seconds of
        `everysec` are counted back from the last one, or from when the disk had long had nothing to do.
        """
        for place, client in enumerate(self.clients):
            self.readers[place].feed(client.transport.take())
            while (reply := self.readers[place].gets()) is not None:
                number = self.owed[place].pop(0)
                if number and not isinstance(reply[0], CommandError) and self.is_promised:
                    self.last_sign = self.clock.seconds()
                    self.answered.append((self.clock.seconds(), number))
            if client.closed:
                self.clients[place], self.readers[place] = self.cache.connect(), ReplyReader()
                self.owed[place].clear()
        if not self.is_promised:
            info = b"%b" % self.cache.call("INFO", "persistence")
            self.is_promised = all(each in info for each in self.when_promised())

    def send(self, place: int, *words: bytes) -> None:
        """Have a client send a request."""
        # While the disk fails, who only reads is answered at once: that promises nothing.
        self.owed[place].append(0 if words[0] in NO_WRITES else len(self.moments))
        self.clients[place].protocol.dataReceived(encode_request(words))
        self._note()

    def send_together(self, place: int, *requests: tuple[bytes, ...]) -> None:
        """Have a client send requests that are done all or none; no moment is between them.

        They are a transaction, or every other time a script.
        """
        self.number += 1
        if self.number % 2:
            words = [word for request in requests for word in (b"%d" % len(request), *request)]
            self.send(place, b"EVAL", SCRIPT, b"0", *words)
            return
        self.owed[place] += [0] * (len(requests) + 1)
        self.owed[place].append(len(self.moments))
        self.clients[place].protocol.dataReceived(b"".join(map(encode_request, [(b"MULTI",), *requests, (b"EXEC",)])))
        self._note()

    def when_promised(self) -> list[bytes]:
        """Give what INFO says when the log has all that there is."""
        rewrites = b"aof_rewrites:%d\r" % (self.rewrites + 1)
        return [b"aof_enabled:1", b"aof_rewrite_in_progress:0", b"aof_rewrite_scheduled:0", rewrites]

    # What happens, one method for each kind

    def write(self, place: int, kind: int) -> None:
        self.number += 1
        value = b"%d" % self.number
        key = b"k%d" % (self.number % 5)
        requests: Sequence[tuple[bytes, ...]] = [
            (b"SET", key, value),
            (b"MSET", b"k1", value, b"k2", value, b"k3", value),
            (b"HSET", b"hash", b"a", value, b"b", value, b"c", value),
            (b"INCR", b"counter"),
            (b"HINCRBY", b"hash", b"n", b"1"),
            (b"SET", key, value, b"PX", b"700"),
            (b"DEL", key, b"k4"),
            (b"APPEND", b"log", value + b"."),
            (b"RENAME", b"counter", b"counter"),
            (b"SELECT", b"%d" % (self.number % 2)),
            (b"HSET", b"large", *(b"%d" % each if each % 2 else value for each in range(400))),
        ]
        self.send(place, *requests[kind % len(requests)])

    def collect(self, place: int, kind: int) -> None:
        """Write to a list, a set or a sorted set, or have keys go elsewhere."""
        self.number += 1
        value, other = b"%d" % self.number, b"%d" % (self.number % 2)
        requests: Sequence[tuple[bytes, ...]] = [
            (b"RPUSH", b"list" + other, value, b"a", b"b"),
            (b"LPOP", b"list" + other, b"2"),
            (b"LMOVE", b"list0", b"list1", b"RIGHT", b"LEFT"),
            (b"LTRIM", b"list" + other, b"1", b"4"),
            (b"SADD", b"set" + other, value, b"a", b"7"),
            (b"SPOP", b"set" + other, b"2"),
            (b"SMOVE", b"set0", b"set1", b"a"),
            (b"ZADD", b"ranks" + other, value, b"a", b"1", value),
            (b"ZINCRBY", b"ranks" + other, b"0.5", b"a"),
            (b"ZPOPMIN", b"ranks" + other, b"2"),
            (b"ZREMRANGEBYSCORE", b"ranks" + other, b"2", b"5"),
        ]
        self.send(place, *requests[kind % len(requests)])

    def stream(self, place: int, kind: int) -> None:
        """Write to a stream or to a group of it, to a long string, or have keys go elsewhere."""
        self.number += 1
        value, other = b"%d" % self.number, b"%d" % (self.number % 2)
        requests: Sequence[tuple[bytes, ...]] = [
            (b"XADD", b"stream", b"MAXLEN", b"3", b"*", b"f", value),
            (b"XGROUP", b"CREATE", b"stream", b"group" + other, b"0", b"MKSTREAM"),
            (b"XREADGROUP", b"GROUP", b"group" + other, b"alice", b"COUNT", b"2", b"STREAMS", b"stream", b">"),
            (b"XAUTOCLAIM", b"stream", b"group" + other, b"bob", b"0", b"0"),
            (b"XTRIM", b"stream", b"MAXLEN", b"1"),
            (b"SETRANGE", b"long", b"%d" % (70_000 + self.number), value),
            (b"SETBIT", b"long", b"%d" % (500_000 + self.number), b"1"),
            (b"SWAPDB", b"0", b"1"),
            (b"COPY", b"stream", b"copy", b"DB", other, b"REPLACE"),
            (b"MOVE", b"list0", other),
            (b"RENAME", b"stream", b"stream2"),
        ]
        self.send(place, *requests[kind % len(requests)])

    def transact(self, place: int, kind: int) -> None:
        """Write to several keys of several databases at once."""
        self.number += 1
        value = b"%d" % self.number
        requests: Sequence[tuple[bytes, ...]] = [
            (b"SELECT", b"1"),
            (b"RPUSH", b"list1", value),
            (b"HSET", b"hash", b"t", value),
            (b"XADD", b"stream", b"*", b"f", value),
            (b"SELECT", b"0"),
            (b"SET", b"k1", value),
            (b"SPOP", b"set0"),
            (b"SWAPDB", b"0", b"1"),
            (b"SADD", b"set1", value),
            (b"DEL", b"k2", b"hash"),
            (b"ZADD", b"ranks0", value, value),
        ]
        self.send_together(place, *requests[kind // 2 :], (b"INCR", b"counter"))

    def serve(self, _: int, kind: int) -> None:
        """Wait for a key, and put something there: the log has both, one after the other."""
        self.number += 1
        value = b"%d" % self.number
        push: tuple[bytes, ...] = (b"RPUSH", b"wait", value)
        wait: tuple[bytes, ...] = (b"BLPOP", b"wait", b"0")
        held: Any = (value,)
        if kind % 3 == 1:
            wait = (b"BLMOVE", b"wait", b"list0", b"LEFT", b"RIGHT", b"0")
        elif kind % 3 == 2:
            push, wait, held = (b"ZADD", b"wait", b"2", value), (b"BZPOPMIN", b"wait", b"0"), ((2.0, value),)
        self.send(SERVER, b"DEL", b"wait", b"list0")
        self.owed[WAITER].append(len(self.moments) + 1)
        self.clients[WAITER].protocol.dataReceived(encode_request(wait))
        if self.cache.service.dispatcher.admission.misconf is None:
            self.moments.append(self.moments[-1] | {(0, b"wait", held, None)})
            self.owed[SERVER].append(len(self.moments) - 1)
        else:
            self.owed[SERVER].append(0)
        self.clients[SERVER].protocol.dataReceived(encode_request(push))
        self._note()

    def flush(self, place: int, _: int) -> None:
        self.send(place, b"FLUSHALL")

    def work(self, place: int, times: int) -> None:
        """Have the disk do some of what it was given."""
        for _ in range(times):
            waiting = self.disk.waiting
            if waiting:
                self.disk.go(waiting[place % len(waiting)])
                self.listen()

    def turn(self, place: int, tenths: int) -> None:
        """Let time pass, or the reactor have a few turns in no time."""
        for _ in range(place + 1):
            was_idle = self.is_idle
            self.clock.advance(tenths / 10 if tenths % 2 else 0)
            if was_idle and self.is_idle and tenths % 2:
                self.last_sign = self.clock.seconds()
            self._note()

    @property
    def is_idle(self) -> bool:
        """Whether the disk has nothing to do, and works; what was answered before it failed may be lost."""
        is_well = self.cache.service.dispatcher.admission.misconf is None
        return is_well and not self.disk.waiting and not self.disk.is_dead

    def save(self, place: int, _: int) -> None:
        self.saves.add(len(self.moments))
        self.send(place, b"BGSAVE")

    def rewrite(self, place: int, _: int) -> None:
        self.send(place, b"BGREWRITEAOF")

    def restart(self, place: int, _: int) -> None:
        """Stop in good order, and start another."""
        self.disk.release()
        is_well = not self.disk.is_faulty and self.cache.service.dispatcher.admission.misconf is None
        self.cache.stop()
        self.check_power()
        self.listen()
        assert self.clock.getDelayedCalls() == []
        assert self.disk.open_files == []
        self.safe = self.demanded()
        if self.is_promised and is_well:
            self.safe = len(self.moments) - 1
        self.disk.repair()  # or there would be no start
        self._start()
        self._judge(self.safe)
        self.disk.hold()

    def fail(self, place: int, number: int) -> None:
        """Have the disk fail in some way, or succeed again."""
        if self.disk.is_faulty:
            self.disk.repair()
        elif number == 0:
            self.disk.capacity = sum(map(len, self.disk.files().values())) + 50
        else:
            times = place or float("inf")
            self.disk.fail(KINDS[number % len(KINDS)], errno.EIO, spared=number // 4, times=times)

    def switch(self, place: int, _: int) -> None:
        """Switch the log off, or on again; before it is begun it promises nothing."""
        self.is_promised = False
        self.rewrites = int(re.findall(rb"aof_rewrites:(\d+)", b"%b" % self.cache.call("INFO", "persistence"))[0])
        is_on = self.cache.service.settings.appendonly
        self.send(place, b"CONFIG", b"SET", b"appendonly", b"no" if is_on else b"yes")

    def check_power(self) -> None:
        """Go no further without power: who is told of its loss may not tell us."""
        if self.disk.is_dead:
            raise PowerLossError

    # What must be there

    def demanded(self) -> int:
        """Tell how many requests have to be there again."""
        if self.lag is not None:
            before = self.last_sign - self.lag
            for when, number in self.answered:
                if when < before or not self.lag:
                    self.safe = max(self.safe, number)
        return self.safe

    def lose_power(self, random: Random | None = None) -> int:
        """Start another cache on what is left, and tell after how many requests this was the state."""
        demanded = self.demanded()
        left = self.disk.after_power_loss(random)
        check_files(left)
        self.disk = left
        self.clock = Clock(self.clock.seconds())
        self._start()
        return self._judge(demanded)

    def _judge(self, demanded: int) -> int:
        """Tell after how many requests what was found was there, and go on from that."""
        now = self.clock.seconds()
        found = content(self.cache, now)
        fits = [place for place, moment in enumerate(self.moments) if unexpired(moment, now) == found]
        assert fits, f"what was found was never there: {sorted(found)}"
        assert fits[-1] >= demanded, f"lost: {demanded} requests were safe, and what was found is of {fits[-1]}"
        if self.config["appendonly"] == "no":
            assert not found or self.saves.intersection(fits), "no save began at the moment that was found"
        self.answered.clear()
        self.is_promised = self.config["appendonly"] == "yes"
        self.moments = [self.moments[fits[-1]]]
        self.safe = 0
        self.saves = {0}
        return fits[-1]


def check_files(disk: MemoryDisk) -> None:
    """Hold that the manifest, if there is one, names files that are there."""
    folder = disk.folder(DATA).inner("appendonlydir")
    for part in read_manifest(folder, "appendonly.aof").parts:
        assert folder.size(part.name) is not None, f"{part.name} is not there"


ACTIONS: list[Callable[[Trial, int, int], None]] = [
    *[Trial.write] * 3,
    *[Trial.collect] * 3,
    *[Trial.stream] * 2,
    *[Trial.transact] * 2,
    Trial.serve,
    *[Trial.work] * 5,
    *[Trial.turn] * 3,
    Trial.rewrite,
    Trial.save,
    Trial.flush,
    Trial.restart,
]


def lives_of(actions: Sequence[Callable[[Trial, int, int], None]]) -> Any:
    """Make lives: what is done, after how many operations of the disk the power goes, a seed for what is left."""
    deeds = st.tuples(st.sampled_from(actions), st.integers(0, CLIENTS - 1), st.integers(0, 10))
    life = st.tuples(st.lists(deeds, min_size=1, max_size=40), st.integers(0, 120), st.none() | st.integers(0, 1 << 30))
    return st.lists(life, min_size=1, max_size=3)


lives = lives_of(ACTIONS)


def live(trial: Trial, each_life: Any) -> None:
    """Have clients do what they do, lose the power after so many operations of the disk, and start again."""
    trial._note()
    for deeds, power, seed in each_life:
        trial.disk.hold()
        trial.disk.power = power
        try:
            for deed, place, number in deeds:
                deed(trial, place, number)
                trial.check_power()
        except PowerLossError:
            pass
        trial.lose_power(None if seed is None else Random(seed))


@given(lives=lives)
def test_with_always_no_answered_write_is_lost(lives: Any) -> None:
    live(Trial(ALWAYS), lives)


@given(lives=lives_of(ACTIONS + [Trial.fail] * 2))
def test_with_always_and_a_disk_that_fails_no_answered_write_is_lost(lives: Any) -> None:
    live(Trial(ALWAYS), lives)


@given(lives=lives_of(ACTIONS + [Trial.fail] * 2))
def test_with_everysec_and_a_disk_that_fails_no_older_answered_write_is_lost(lives: Any) -> None:
    live(Trial(EVERYSEC), lives)


@given(lives=lives_of(ACTIONS + [Trial.switch] * 2))
def test_a_log_that_is_switched_on_and_off_keeps_what_it_promised(lives: Any) -> None:
    lives = [([deed for deed in deeds if deed[0] is not Trial.restart], power, seed) for deeds, power, seed in lives]
    live(Trial(ALWAYS), lives)


@given(lives=lives)
def test_with_always_and_a_log_of_commands_no_answered_write_is_lost(lives: Any) -> None:
    live(Trial({**ALWAYS, "aof-use-rdb-preamble": "no", "aof-timestamp-enabled": "yes"}), lives)


@given(lives=lives)
def test_with_always_a_log_that_is_begun_anew_all_the_time_loses_nothing(lives: Any) -> None:
    live(Trial({**ALWAYS, "auto-aof-rewrite-percentage": 1, "auto-aof-rewrite-min-size": 1}), lives)


@given(lives=lives)
def test_with_everysec_nothing_is_lost_that_was_answered_two_seconds_before(lives: Any) -> None:
    live(Trial(EVERYSEC), lives)


@given(lives=lives)
def test_with_no_what_is_left_is_a_moment_of_what_was_there(lives: Any) -> None:
    live(Trial(LEFT_TO_THE_SYSTEM), lives)


@given(lives=lives)
def test_a_snapshot_is_the_moment_at_which_a_save_began(lives: Any) -> None:
    lives = [([deed for deed in deeds if deed[0] is not Trial.restart], power, seed) for deeds, power, seed in lives]
    live(Trial(SNAPSHOTS), lives)


@pytest.mark.parametrize("mode", [ALWAYS, EVERYSEC], ids=["always", "everysec"])
def test_a_disk_that_forces_nothing_is_found_out(mode: dict[str, object]) -> None:
    trial = Trial(mode)
    trial.disk.syncs = False
    trial._note()
    trial.write(0, 0)
    trial.turn(0, 10)
    for _ in range(5):
        trial.turn(0, 9)
    with pytest.raises(AssertionError, match="lost: "):
        trial.lose_power()


def test_what_is_left_to_the_system_is_lost_with_the_power() -> None:
    trial = Trial(LEFT_TO_THE_SYSTEM)
    trial._note()
    trial.write(0, 0)
    trial.turn(0, 9)
    assert trial.answered
    assert trial.lose_power() == 0


def test_what_is_left_to_the_system_outlasts_the_process() -> None:
    trial = Trial(LEFT_TO_THE_SYSTEM)
    trial.write(0, 0)
    trial.turn(0, 9)
    trial.disk = trial.disk.after_kill()
    assert trial.lose_power() == len(trial.moments)  # all that was there
