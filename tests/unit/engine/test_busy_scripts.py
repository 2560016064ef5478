"""A script that runs for long: others are answered meanwhile, and may end it."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from twisted_kv.commands import GROUPS
from twisted_kv.declaring import Group
from twisted_kv.engine.wakeup import WakeUp
from twisted_kv.persistence.journal import Journal
from twisted_kv.sessions.services import Effect, NoPersistence
from twisted_kv.sessions.session import Session
from twisted_kv.testing import MemoryCache, MemoryConnection
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.waiting import Promise

pytestmark = pytest.mark.lua

own = Group("own")

BUSY = b"-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n"
KILLED = "ERR Script killed by user with SCRIPT KILL... script: "
ENDLESS = "while true do pcall(redis.call, 'TAKE', 1000) end"


@own.command("TAKE", flags="readonly", since="1.0.0")
def take(session: Session, milliseconds: bytes) -> Any:
    """Take some time."""
    clock: Any = session.server.now.clock
    clock.rightNow += int(milliseconds) / 1000
    return None


def request_for(source: bytes) -> bytes:
    return b"*3\r\n$4\r\nEVAL\r\n$%d\r\n%b\r\n$1\r\n0\r\n" % (len(source), source)


class Busy:
    """A cache whose clock moves while scripts run, and what another client asks meanwhile."""

    def __init__(self, **config: object) -> None:
        self.stopped: list[str] = []
        self.cache = MemoryCache({"script-time-limit": 0, **config}, groups=(*GROUPS, own))
        self.cache.service.dispatcher.server.shutdown = lambda: self.stopped.append("stopped")
        self.other = self.cache.connect()
        self.asks: list[Callable[[], object]] = []
        self.got: list[Any] = []
        self.cache.service.dispatcher.script_runs.poll = self.poll

    def poll(self) -> None:
        if self.asks:
            self.got.append(self.asks.pop(0)())

    def ask(self, *words: Any, by: MemoryConnection | None = None) -> None:
        """Have the other client send a request when it is asked next."""
        connection = by or self.other
        request = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(str(w)), str(w).encode()) for w in words)
        self.asks.append(lambda: connection.send(request))

    def refusal(self, *words: Any) -> str:
        with pytest.raises(CommandError) as caught:
            self.cache.call(*words)
        return str(caught.value)


@pytest.fixture
def busy() -> Any:
    busy = Busy()
    with busy.cache:
        yield busy


def test_others_are_told_and_may_end_it(busy: Busy) -> None:
    for words in (["GET", "k"], ["MULTI"], ["GET", "k"], ["EXEC"], ["FUNCTION", "STATS"], ["FUNCTION", "KILL"]):
        busy.ask(*words)
    for words in (["SHUTDOWN"], ["EVAL", "return 1", 0], ["SCRIPT", "KILL"]):
        busy.ask(*words)
    assert busy.refusal("EVAL", ENDLESS, 0).startswith(KILLED)
    assert busy.got == [
        *(BUSY, b"+OK\r\n", BUSY, b"-EXECABORT Transaction discarded because of: " + BUSY[1:], BUSY, BUSY, BUSY, BUSY),
        b"+OK\r\n",
    ]
    assert busy.cache.call("GET", "k") is None
    assert busy.other.call("GET", "k") is None


def test_it_is_ended_in_a_bare_loop_and_in_a_coroutine(busy: Busy) -> None:
    for source in (
        "redis.call('TAKE', 6000)\nwhile true do end",
        "redis.call('TAKE', 6000)\ncoroutine.wrap(function() while true do end end)()",
        "redis.call('TAKE', 6000)\ncoroutine.resume(coroutine.create(function() while true do end end))",
        "redis.call('TAKE', 6000)\nxpcall(function() while true do end end, function() return 1 end)",
        "redis.call('TAKE', 6000)\nwhile true do pcall(function() while true do end end) end",
    ):
        busy.ask("SCRIPT", "KILL")
        assert busy.refusal("EVAL", source, 0).endswith("on @user_script:2.")
    assert busy.got == [b"+OK\r\n"] * 5


def test_one_that_has_written_goes_on(busy: Busy) -> None:
    busy.ask("SCRIPT", "KILL")
    busy.ask("GET", "k")
    source = "redis.call('SET', 'k', 1) for i = 1, 80 do redis.call('TAKE', 1000) end return 'done'"
    assert busy.cache.call("EVAL", source, 0) == b"done"
    assert busy.got[0].startswith(b"-UNKILLABLE Sorry the script already executed write commands")
    assert busy.got[1:] == [BUSY]


def test_a_function_is_ended_by_its_own_command(busy: Busy) -> None:
    code = f"#!lua name=l\nredis.register_function('f', function() {ENDLESS} end)"
    busy.cache.call("FUNCTION", "LOAD", code)
    for words in (["GET", "k"], ["FUNCTION", "STATS"], ["SCRIPT", "KILL"], ["FUNCTION", "KILL"]):
        busy.ask(*words)
    assert busy.refusal("FCALL", "f", 1, "k", "a").startswith(KILLED + "f, on @user_function")
    by_function = BUSY.replace(b"SCRIPT KILL", b"FUNCTION KILL")
    assert busy.got[0] == by_function
    assert b"running_script\r\n*6\r\n$4\r\nname\r\n$1\r\nf\r\n$7\r\ncommand\r\n*5\r\n$5\r\nFCALL\r\n" in busy.got[1]
    assert busy.got[2:] == [by_function, b"+OK\r\n"]


def test_without_a_threshold_nobody_is_asked() -> None:
    busy = Busy(**{"busy-reply-threshold": 0})
    with busy.cache:
        busy.ask("SCRIPT", "KILL")
        assert busy.cache.call("EVAL", "for i = 1, 100 do redis.call('TAKE', 1000) end return 1", 0) == 1
        assert busy.got == []


def test_without_ports_there_is_nobody_to_ask() -> None:
    busy = Busy()
    with busy.cache:
        busy.cache.service.dispatcher.script_runs.poll = None
        assert busy.cache.call("EVAL", "for i = 1, 100 do redis.call('TAKE', 1000) end return 1", 0) == 1


def test_a_program_is_not_held_up_for_ever() -> None:
    busy = Busy(**{"script-time-limit": 20_000})
    with busy.cache:
        error = "ERR Script killed: it has run longer than script-time-limit script: "
        assert busy.refusal("EVAL", ENDLESS, 0).startswith(error)
        source = "redis.call('SET', 'k', 1) for i = 1, 100 do redis.call('TAKE', 1000) end return 'done'"
        assert busy.cache.call("EVAL", source, 0) == b"done"


def test_the_limit_is_a_minute_in_a_program() -> None:
    with MemoryCache() as cache:
        assert cache.call("CONFIG", "GET", "script-time-limit") == {b"script-time-limit": b"60000"}


def test_a_shutdown_ends_it_whatever_it_has_written(busy: Busy) -> None:
    recorded: list[list[Effect]] = []
    Journal(busy.cache.service.dispatcher, recorded.append).open()
    busy.ask("SHUTDOWN", "NOSAVE")
    source = f"redis.call('SET', 'k', 1) {ENDLESS}"
    assert busy.refusal("EVAL", source, 0).startswith("ERR Script killed: the server shuts down")
    assert busy.stopped == ["stopped"]
    assert recorded == []
    assert busy.refusal("GET", "k").startswith("BUSY")  # nobody sees half of what it has done


def test_time_stands_still_for_the_script(busy: Busy) -> None:
    busy.cache.call("SET", "k", "v", "PX", 10_000)
    busy.ask("PING")
    long = "for i = 1, 80 do redis.call('TAKE', 1000) end"
    source = f"local a = redis.call('PTTL', 'k') {long} return {{a, redis.call('PTTL', 'k')}}"
    assert busy.cache.call("EVAL", source, 0) == [10_000, 10_000]
    assert busy.got == [BUSY]
    assert busy.cache.call("EXISTS", "k") == 0


def test_the_client_of_the_script_is_read_but_not_served(busy: Busy) -> None:
    client = busy.cache.connect()
    busy.ask("PING", by=client)
    busy.ask("SCRIPT", "KILL")
    source = ENDLESS.encode()
    sent = client.send(request_for(source) + b"ECHO x\r\n")
    assert busy.got == [b"", b"+OK\r\n"]
    assert sent.startswith(b"-" + KILLED.encode())
    busy.cache.clock.advance(0)  # it was late, so the rest was left to the next wake-up
    assert client.transport.take() == b"$1\r\nx\r\n+PONG\r\n"


def test_the_client_of_the_script_may_leave(busy: Busy) -> None:
    client = busy.cache.connect()
    busy.asks.append(client.close)
    busy.ask("SCRIPT", "KILL")
    source = ENDLESS.encode()
    request = request_for(source) + b"SET k v\r\n"
    assert client.send(request) == b""
    assert busy.cache.call("EXISTS", "k") == 0
    assert len(busy.cache.service.dispatcher.server.sessions) == 1


def test_each_client_gets_its_replies_in_their_order(busy: Busy) -> None:
    """One has run before the script in the same wake-up, one would have come after it, and both ask again."""
    wakeup: WakeUp = busy.cache.service.dispatcher.wakeup
    first, script, last = (busy.cache.connect() for _ in range(3))
    busy.ask("PING", by=first)
    busy.ask("PING", by=last)
    busy.ask("SCRIPT", "KILL")
    source = ENDLESS.encode()
    wakeup.open()
    first.protocol.dataReceived(b"ECHO a\r\n")
    script.protocol.dataReceived(request_for(source))
    last.protocol.dataReceived(b"ECHO b\r\n")
    wakeup.close()
    assert busy.got == [b"$1\r\na\r\n" + BUSY, BUSY + BUSY, b"+OK\r\n"]
    assert script.send(b"").startswith(b"-" + KILLED.encode())
    for each in (first, last):
        assert each.send(b"PING\r\n") == b"+PONG\r\n"


@pytest.mark.pure
def test_a_shutdown_that_fails_lets_others_go_on(busy: Busy) -> None:
    recorded: list[list[Effect]] = []
    Journal(busy.cache.service.dispatcher, recorded.append).open()
    services = busy.cache.service.dispatcher.server.services
    promise = Promise()

    class Failing(NoPersistence):
        def shut_down(self, *, save: bool | None, force: bool) -> Promise:
            return promise

    services.persistence = Failing(lambda: None)
    busy.ask("SHUTDOWN", "NOSAVE")
    assert busy.refusal("EVAL", f"redis.call('SET', 'k', 1) {ENDLESS}", 0).startswith("ERR Script killed: the server")
    assert busy.refusal("GET", "k").startswith("BUSY")
    promise.resolve(CommandError("Errors trying to SHUTDOWN"))
    assert busy.cache.call("INCR", "n") == 1
    assert recorded == [[(0, (b"INCR", b"n"))]]


def test_nothing_of_a_transaction_is_kept_in_which_a_script_was_ended_by_a_shutdown(busy: Busy) -> None:
    recorded: list[list[Effect]] = []
    Journal(busy.cache.service.dispatcher, recorded.append).open()
    client = busy.cache.connect()
    busy.ask("SHUTDOWN", "NOSAVE")
    for words in (["MULTI"], ["SET", "a", 1], ["EVAL", f"redis.call('SET', 's', 1) {ENDLESS}", 0], ["SET", "b", 2]):
        client.call(*words)
    client.call("EXEC")
    assert recorded == []


def test_a_script_that_is_to_end_while_its_reply_is_read(busy: Busy) -> None:
    """Tables that contain each other take long to read, and the hook is called meanwhile."""
    busy.ask("SCRIPT", "KILL")
    source = "redis.call('TAKE', 6000) local t = {} for i = 1, 2000 do t[i] = i end local u = {} "
    source += "for i = 1, 2000 do u[i] = t end return u"
    assert busy.refusal("EVAL", source, 0).startswith(KILLED[:40])


def test_the_client_of_the_script_may_not_send_without_end(busy: Busy) -> None:
    busy.cache.call("CONFIG", "SET", "client-query-buffer-limit", "1mb")
    client = busy.cache.connect()
    busy.asks.append(lambda: client.send(b"*2\r\n$4\r\nECHO\r\n$3000000\r\n" + b"x" * 1_100_000))
    busy.ask("SCRIPT", "KILL")
    client.send(request_for(ENDLESS.encode()))
    assert client.closed
