"""What commands ask of others is always there: where nobody provides it, a null object answers."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_kv.commands import GROUPS
from twisted_kv.declaring.commands import Lasting
from twisted_kv.declaring.table import CommandTable
from twisted_kv.sessions.session import Server, Session
from twisted_kv.sessions.tracked import Tracked
from twisted_kv.settings.config import Settings
from twisted_kv.store.database import Database
from twisted_kv.testing import Clock
from twisted_kv.vocabulary.clock import Now
from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import NO_REPLY, Push


@pytest.fixture
def server() -> Server:
    stopped: list[bool] = []
    server = Server(
        Settings(),
        Now(Clock()),
        CommandTable([]),
        alarm=lambda deadline: None,
        discard=lambda value: None,
        shutdown=lambda: stopped.append(True),
    )
    server.stopped = stopped  # type: ignore[attr-defined]  # for the test
    return server


@pytest.mark.pure
def test_a_server_by_itself_has_all_services(server: Server) -> None:
    session = Session(server, Lasting.SESSION)
    services = server.services
    database: Database = server.databases[0]
    assert services.waiting.unblock(session, error=False) is False
    services.waiting.look_again(database, b"k")
    services.upkeep.set_active_expire(False)
    services.upkeep.track_use()
    services.effects.append((0, (b"SET", b"k", b"v")))
    services.tracking.end(session)
    services.tracking.flushed()
    services.monitoring.end(session)
    services.pausing.begin(1, only_writes=True)
    services.pausing.end()
    assert (services.tracking.clients, services.tracking.counts()) == (0, {})
    for begin in (lambda: services.tracking.begin(session, Tracked()), lambda: services.monitoring.begin(session)):
        with pytest.raises(CommandError):
            begin()
    session.push(Push([b"message"]))  # it has no link
    services.effects.mute(True)
    services.effects.discard()
    scripts, functions = services.scripts, services.functions
    assert (scripts.exists(b"sha"), scripts.flags_of(["stale"], b"", is_sha=True)) == (False, ["stale"])
    assert (scripts.information(), functions.information(), functions.codes, functions.running) == ({}, {}, (), None)
    assert functions.flags_of(["stale"], b"f") == ["stale"]
    assert functions.libraries.by_name == {}
    for each in (scripts.flush, scripts.shut_down, scripts.go_on, functions.flush):
        each()
    for refused in (
        lambda: scripts.evaluate(session, b"", (), read_only=False),
        lambda: scripts.evaluate_sha(session, b"", (), read_only=False),
        lambda: scripts.load(b""),
        scripts.kill,
        lambda: functions.call(session, b"f", (), read_only=False),
        lambda: functions.load(b"", replace=False),
        lambda: functions.delete(b"l"),
        lambda: functions.restore((), flush=False, replace=False),
        functions.kill,
    ):
        with pytest.raises(CommandError):
            refused()
    assert (services.ports.port, services.ports.count_drops()) == (None, 0)
    with pytest.raises(CommandError, match="no engine runs requests here"):
        session.call(b"GET", b"k")
    entry = CommandTable(GROUPS).entry_of([b"GET", b"k"])
    assert str(services.execution.run(session, [b"GET", b"k"], entry)) == "ERR no engine runs requests here"


@pytest.mark.pure
def test_without_a_folder_all_that_saves_is_refused_and_the_process_may_stop(server: Server) -> None:
    persistence = server.services.persistence
    asks: list[Any] = [
        persistence.save,
        lambda: persistence.background_save(schedule=True),
        persistence.rewrite,
        persistence.reload,
        lambda: persistence.last_save,
        lambda: persistence.shut_down(save=True, force=False),
    ]
    for ask in asks:
        with pytest.raises(CommandError):
            ask()
    persistence.flushed()
    assert persistence.abort_shutdown() is False
    assert persistence.information()["aof_enabled"] == 0
    assert server.stopped == []  # type: ignore[attr-defined]  # as above
    assert persistence.shut_down(save=None, force=False) is NO_REPLY
    assert server.stopped == [True]  # type: ignore[attr-defined]  # as above
