"""The service on the real reactor: its ports, its life, and calls in the same process."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from contextlib import closing
from typing import Any
from unittest import mock

import pytest
from twisted.application.service import MultiService
from twisted.internet import defer, error, task, threads
from twisted.internet.defer import inlineCallbacks
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, UNIXClientEndpoint
from twisted.logger import LogLevel, formatEvent, globalLogPublisher
from twisted.trial import unittest

from tests.trial import raised
from twisted_kv.client import DatagramClient, StreamClient
from twisted_kv.faces import listeners
from twisted_kv.service import CacheService
from twisted_kv.testing import Clock
from twisted_kv.transports import open_files
from twisted_kv.transports.addresses import is_loopback
from twisted_kv.transports.multiplexer import Multiplexer
from twisted_kv.vocabulary.errors import CommandError


def has_ipv6() -> bool:
    """Tell whether this machine has ::1."""
    try:
        with closing(socket.socket(socket.AF_INET6, socket.SOCK_STREAM)) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def can_bind(kind: int, number: int) -> bool:
    """Tell whether a port of 127.0.0.1 is free."""
    with closing(socket.socket(socket.AF_INET, kind)) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return False
    return True


def reactor_in_use() -> Any:
    """Give the reactor, which is installed by the time that a test runs."""
    from twisted.internet import reactor

    return reactor


class ServiceCase(unittest.TestCase):
    """Makes services and clients that are stopped again."""

    timeout = 20

    def service(self, *, start: bool = True, **options: Any) -> CacheService:
        options.setdefault("port", 0)
        service = CacheService(reactor=reactor_in_use(), **options)
        self.addCleanup(service.stopService)
        if start:
            service.startService()
        return service

    def client(self, port: int | None, host: str = "127.0.0.1", **options: Any) -> StreamClient:
        from twisted.internet import reactor

        kind = TCP6ClientEndpoint if ":" in host else TCP4ClientEndpoint
        assert port is not None
        client = StreamClient(kind(reactor, host, port), clock=reactor, **options)
        self.addCleanup(client.close)
        return client

    def datagrams(self, port: int | None, host: str = "127.0.0.1", **options: Any) -> DatagramClient:
        from twisted.internet import reactor

        assert port is not None
        client = DatagramClient(host, port, reactor=reactor, **options)
        self.addCleanup(client.close)
        return client


class CallTests(unittest.SynchronousTestCase):
    """Calls in the same process need no ports and no reactor."""

    def service(self, **options: Any) -> CacheService:
        self.clock = Clock()
        return CacheService(port=None, clock=self.clock, **options)

    def test_a_call_before_the_start_is_answered(self) -> None:
        cache = self.service()
        assert cache.call("SET", "k", b"v", "PX", 100) == b"OK"
        assert cache.call("GET", "k") == b"v"
        self.clock.advance(0.1)
        assert cache.call("GET", "k") is None
        assert self.clock.getDelayedCalls() == []

    def test_words_may_be_texts_bytes_and_numbers(self) -> None:
        cache = self.service()
        cache.call("MSET", "text", "ü", b"bytes", b"\xff", "int", 7, "float", 1.5)
        assert cache.call("MGET", "text", "bytes", "int", "float") == ["ü".encode(), b"\xff", b"7", b"1.5"]

    def test_replies_are_values(self) -> None:
        cache = self.service()
        assert cache.call("INCR", "n") == 1
        assert cache.call("HSET", "h", "f", "v") == 1
        assert cache.call("HGETALL", "h") == {b"f": b"v"}
        assert sorted(cache.call("KEYS", "*")) == [b"h", b"n"]

    def test_an_error_is_raised_and_a_wrong_word_is_a_type_error(self) -> None:
        cache = self.service()
        caught = raised(CommandError, cache.call, "GET")
        assert (caught.code, caught.message) == ("ERR", "wrong number of arguments for 'get' command")
        for words in ((), ("GET", None), ("SET", "k", True), ("GET", ["k"])):
            raised(TypeError, cache.call, *words)

    def test_a_session_has_a_database_of_its_own(self) -> None:
        cache = self.service()
        with cache.session() as session:
            session.call("SELECT", 2)
            session.call("SET", "k", "two")
            assert cache.call("GET", "k") is None
            with cache.session() as other:
                other.call("SELECT", 2)
                assert other.call("GET", "k") == b"two"

    def test_shutdown_is_refused_in_a_host(self) -> None:
        cache = self.service()
        assert "SHUTDOWN is refused" in raised(CommandError, cache.call, "SHUTDOWN").message

    def test_shutdown_asks_a_host_that_gave_a_way(self) -> None:
        asked: list[bool] = []
        cache = self.service(on_shutdown=lambda: asked.append(True))
        cache.call("SHUTDOWN")
        assert asked == [True]

    def test_two_caches_in_one_process_share_nothing(self) -> None:
        first, second = self.service(), self.service()
        first.call("SET", "k", "1")
        assert second.call("GET", "k") is None
        first.call("CONFIG", "SET", "timeout", "7")
        assert second.call("CONFIG", "GET", "timeout") == {b"timeout": b"0"}

    def test_without_ports_nothing_is_open_and_no_reactor_is_asked(self) -> None:
        cache = self.service()
        with mock.patch.object(cache, "_reactor", mock.Mock(spec=[])):
            cache.startService()
            assert cache.port is None
            assert cache.udp_port is None
            self.successResultOf(defer.maybeDeferred(cache.stopService))
        assert self.clock.getDelayedCalls() == []

    def test_a_key_goes_by_itself_while_the_service_runs(self) -> None:
        cache = self.service()
        cache.call("SET", "before", "v", "PX", 100)
        cache.startService()
        cache.call("SET", "after", "v", "PX", 100)
        self.clock.advance(0.1)
        assert cache.call("INFO", "keyspace") == b"# Keyspace\r\n"
        cache.stopService()

    def test_the_data_stays_when_it_is_stopped_and_started_again(self) -> None:
        cache = self.service()
        cache.startService()
        cache.call("SET", "k", "v")
        for _ in range(2):
            self.successResultOf(defer.maybeDeferred(cache.stopService))
            assert cache.call("GET", "k") == b"v"
            cache.startService()
        cache.stopService()

    def test_wrong_settings_are_told_when_it_is_made(self) -> None:
        for options, why in (
            ({"port": 70_000}, "setting 'port'"),
            ({"bind": "nowhere"}, "'nowhere' is not an address"),
            ({"config": {"nonsense": 1}}, "unknown setting 'nonsense'"),
            ({"bind": "0.0.0.0"}, "--udp-allow NETWORK"),
            ({"bind": ""}, "there is no address"),
            ({"config": {"maxclients": 0}}, "setting 'maxclients'"),
        ):
            with self.subTest(options=options):
                assert why in str(raised(ValueError, CacheService, **options))

    def test_the_config_goes_before_the_arguments(self) -> None:
        cache = CacheService(port=1, config={"port": 2, "udp": False, "udp-allow": ["10.0.0.0/8"]})
        assert (cache.settings.port, cache.settings.udp) == (2, False)
        again = CacheService(port=7, config=cache.settings)
        assert again.settings is cache.settings

    def test_maxclients_cannot_be_raised_over_what_the_system_allows(self) -> None:
        cache = self.service()
        with mock.patch("twisted_kv.service.allow_clients", return_value=100):
            caught = raised(CommandError, cache.call, "CONFIG", "SET", "maxclients", 101)
            assert "The operating system is not able to handle" in caught.message
            assert cache.call("CONFIG", "GET", "maxclients") == {b"maxclients": b"10000"}
            assert cache.call("CONFIG", "SET", "maxclients", 100) == b"OK"


class OrderTests(ServiceCase):
    """In which order ports are opened."""

    def test_datagrams_are_taken_before_anybody_can_connect(self) -> None:
        cache = self.service()
        kinds = [port.getHost().type for port in cache._listeners._ports]
        assert kinds == sorted(kinds, reverse=True)
        assert set(kinds) == {"UDP", "TCP"}
        assert cache.port == cache.udp_port


class PortTests(ServiceCase):
    """The ports."""

    def test_one_free_number_serves_both_transports(self) -> None:
        cache = self.service()
        assert cache.port is not None
        assert cache.port > 0
        assert cache.udp_port == cache.port
        assert not can_bind(socket.SOCK_STREAM, cache.port)
        assert not can_bind(socket.SOCK_DGRAM, cache.port)

    @inlineCallbacks
    def test_a_key_set_by_datagram_is_read_over_tcp_and_in_process(self) -> Any:
        cache = self.service()
        yield self.datagrams(cache.udp_port, dialect="equals").request("SET", "foo", "bar")
        client = self.client(cache.port)
        value = None
        while value is None:
            value = yield client.request("GET", "foo")
        assert value == b"bar"
        assert cache.call("GET", "foo") == b"bar"

    def test_udp_may_have_another_number(self) -> None:
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
            probe.bind(("127.0.0.1", 0))
            number = probe.getsockname()[1]
        cache = self.service(udp_port=number)
        assert cache.udp_port == number
        assert not can_bind(socket.SOCK_DGRAM, number)

    def test_udp_may_choose_freely(self) -> None:
        cache = self.service(udp_port=0)
        assert cache.udp_port > 0

    def test_each_transport_may_be_switched_off(self) -> None:
        cache = self.service(config={"tcp": False})
        assert cache.port is None
        assert cache.udp_port > 0
        cache = self.service(config={"udp": False})
        assert cache.port > 0
        assert cache.udp_port is None

    @inlineCallbacks
    def test_ipv6_is_served_under_the_same_number(self) -> Any:
        if not has_ipv6():
            cache = self.service(bind="127.0.0.1 -::1")
            assert cache.port > 0
            return
        cache = self.service(bind="127.0.0.1 -::1")
        for host in ("127.0.0.1", "::1"):
            assert (yield self.client(cache.port, host).request("PING")) == b"PONG"
            assert (yield self.datagrams(cache.udp_port, host).request("PING")) == b"PONG"
        assert f"laddr=[::1]:{cache.port} ".encode() in cache.call("CLIENT", "LIST")

    @inlineCallbacks
    def test_all_addresses_of_both_kinds_may_be_asked_for(self) -> Any:
        both = "* -::*" if has_ipv6() else "*"
        cache = self.service(bind=both, config={"udp-allow": "10.0.0.0/8"})
        for host in ("127.0.0.1", "::1") if has_ipv6() else ("127.0.0.1",):
            assert (yield self.client(cache.port, host).request("PING")) == b"PONG"
            assert (yield self.datagrams(cache.udp_port, host).request("PING")) == b"PONG"

    def test_an_optional_address_that_is_not_there_is_left_out(self) -> None:
        cache = self.service(bind="127.0.0.1 -192.0.2.1", config={"udp-allow": "192.0.2.0/24"})
        assert cache.port > 0

    def test_an_address_that_is_not_there_is_an_error_and_nothing_stays_open(self) -> None:
        cache = self.service(start=False, bind="127.0.0.1 192.0.2.1", config={"udp": False, "port": 0})
        with mock.patch.object(listeners, "ATTEMPTS", 3):
            raised(error.CannotListenError, cache.startService)
        assert cache.port is None
        assert not cache.running

    def test_a_port_in_use_is_an_error_and_nothing_stays_open(self) -> Any:
        first = self.service()
        second = self.service(start=False, port=first.port)
        raised(error.CannotListenError, second.startService)
        assert second.port is None
        assert second.udp_port is None
        assert not second.running
        assert second.call("PING") == b"PONG"

    @inlineCallbacks
    def test_udp_in_use_closes_the_tcp_port_that_was_opened_first(self) -> Any:
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as taken:
            taken.bind(("127.0.0.1", 0))
            number = taken.getsockname()[1]
            cache = self.service(start=False, port=number)
            raised(error.CannotListenError, cache.startService)
        assert cache.port is None
        yield task.deferLater(reactor_in_use(), 0.01)
        yield self.assertFailure(self.client(number).request("SET", "k", "v"), error.ConnectionRefusedError)

    @pytest.mark.fast
    def test_a_number_that_udp_has_already_is_passed_over(self) -> None:
        cache = self.service(start=False)
        refusals = [error.CannotListenError("127.0.0.1", 0, OSError(98, "Address already in use"))] * 2
        really = Multiplexer.listenUDP

        def listen(*arguments: Any, **options: Any) -> Any:
            if refusals:
                raise refusals.pop()
            return really(*arguments, **options)

        with mock.patch.object(Multiplexer, "listenUDP", listen):
            cache.startService()
        assert cache.udp_port == cache.port
        assert refusals == []

    def test_an_ipv6_port_in_use_is_an_error(self) -> None:
        if not has_ipv6():
            assert not is_loopback("::")
            return
        allowed = {"udp-allow": "10.0.0.0/8"}
        first = self.service(bind="::", config=allowed)
        second = self.service(start=False, port=first.port, bind="::", config=allowed)
        raised(error.CannotListenError, second.startService)

    def test_a_machine_without_ipv6_leaves_the_optional_address_out(self) -> None:
        really = socket.socket

        def no_ipv6(family: int = socket.AF_INET, *more: Any, **options: Any) -> socket.socket:
            if family == socket.AF_INET6:
                raise OSError(97, "Address family not supported by protocol")
            return really(family, *more, **options)

        with mock.patch.object(listeners.socket, "socket", no_ipv6):
            cache = self.service(bind="127.0.0.1 -::*", config={"udp-allow": "10.0.0.0/8"})
        assert cache.port > 0

    def test_the_limit_of_open_files_bounds_the_clients(self) -> None:
        limits = mock.Mock(return_value=(100, 100))
        with (
            mock.patch.object(open_files.resource, "getrlimit", limits),
            mock.patch.object(open_files.resource, "setrlimit"),
        ):
            cache = self.service()
        assert cache.call("CONFIG", "GET", "maxclients") == {b"maxclients": b"68"}


class LifeTests(ServiceCase):
    """Start, stop, and start again."""

    @inlineCallbacks
    def test_a_second_start_changes_nothing(self) -> Any:
        cache = self.service()
        port = cache.port
        cache.startService()
        assert cache.port == port
        assert (yield self.client(port).request("PING")) == b"PONG"

    @inlineCallbacks
    def test_a_stopped_service_is_closed_and_may_be_started_again(self) -> Any:
        cache = self.service()
        port = cache.port
        client = self.client(port)
        yield client.request("SET", "k", "v")
        yield cache.stopService()
        assert cache.port is None
        assert cache.udp_port is None
        assert can_bind(socket.SOCK_STREAM, port)
        assert can_bind(socket.SOCK_DGRAM, port)
        yield self.assertFailure(self.client(port).request("SET", "k", "w"), error.ConnectionRefusedError)
        cache.startService()
        assert (yield self.client(cache.port).request("GET", "k")) == b"v"

    @inlineCallbacks
    def test_the_same_number_is_taken_again_after_a_stop(self) -> Any:
        cache = self.service()
        port = cache.port
        yield self.client(port).request("PING")
        yield cache.stopService()
        again = self.service(port=port)
        assert (again.port, again.udp_port) == (port, port)

    @inlineCallbacks
    def test_when_the_stop_is_done_no_connection_is_left(self) -> Any:
        from twisted.internet import reactor

        before = set(reactor.getReaders()) | set(reactor.getWriters())
        cache = self.service()
        client = self.client(cache.port)
        yield client.request("PING")
        yield cache.stopService()
        assert cache.dispatcher.server.sessions == {}
        left = (set(reactor.getReaders()) | set(reactor.getWriters())) - before
        assert [each for each in left if type(each).__name__ in ("Port", "Server")] == []

    @inlineCallbacks
    def test_a_client_that_does_not_read_does_not_hold_up_the_stop(self) -> Any:
        cache = self.service()
        cache.call("SET", "big", b"x" * 1_000_000)
        deaf = socket.create_connection(("127.0.0.1", cache.port), 5)
        self.addCleanup(deaf.close)
        deaf.sendall(b"GET big\r\n" * 30)
        while b"cmd=get" not in cache.call("CLIENT", "LIST"):
            yield self.client(cache.port).request("PING")
        yield cache.stopService()
        assert cache.dispatcher.server.sessions == {}

    @inlineCallbacks
    def test_stopped_twice_is_stopped(self) -> Any:
        cache = self.service()
        yield cache.stopService()
        yield defer.maybeDeferred(cache.stopService)
        assert cache.port is None

    @inlineCallbacks
    def test_two_caches_in_one_process_have_their_own_ports(self) -> Any:
        first, second = self.service(), self.service()
        assert first.port != second.port
        yield self.client(first.port).request("SET", "k", "1")
        assert (yield self.client(second.port).request("GET", "k")) is None
        yield first.stopService()
        assert (yield self.client(second.port).request("PING")) == b"PONG"

    @inlineCallbacks
    def test_it_starts_and_stops_with_its_parent(self) -> Any:
        parent = MultiService()
        cache = self.service(start=False)
        cache.setServiceParent(parent)
        parent.privilegedStartService()
        number = cache.port
        parent.startService()
        assert cache.port == number
        assert (yield self.client(number).request("PING")) == b"PONG"
        yield parent.stopService()
        assert cache.port is None

    @inlineCallbacks
    def test_it_may_join_a_parent_that_runs_and_leave_it(self) -> Any:
        parent = MultiService()
        parent.startService()
        cache = self.service(start=False)
        cache.setServiceParent(parent)
        assert cache.port > 0
        yield cache.disownServiceParent()
        assert cache.port is None

    @inlineCallbacks
    def test_the_global_reactor_serves_where_none_is_given(self) -> Any:
        cache = CacheService(port=0)
        cache.startService()
        self.addCleanup(cache.stopService)
        cache.call("SET", "k", "v", "PX", 10_000)
        assert (yield self.client(cache.port).request("GET", "k")) == b"v"

    @inlineCallbacks
    def test_another_thread_may_call(self) -> Any:
        cache = self.service()
        assert (yield threads.deferToThread(cache.call_from_thread, "SET", "k", "v")) == b"OK"
        assert cache.call("GET", "k") == b"v"
        yield self.assertFailure(threads.deferToThread(cache.call_from_thread, "GET"), CommandError)
        yield self.assertFailure(threads.deferToThread(cache.call_from_thread, "GET", None), TypeError)

    def test_the_reactors_own_thread_may_not_wait_for_itself(self) -> None:
        cache = self.service()
        with pytest.raises(RuntimeError, match="use call"):
            cache.call_from_thread("PING")

    @inlineCallbacks
    def test_shutdown_over_the_wire_is_refused_in_a_host(self) -> Any:
        cache = self.service()
        client = self.client(cache.port)
        failure = yield self.assertFailure(client.request("SHUTDOWN", "NOSAVE"), CommandError)
        assert "SHUTDOWN is refused" in failure.message
        assert (yield client.request("PING")) == b"PONG"


class EndpointTests(ServiceCase):
    """More endpoints."""

    def path(self) -> str:
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        return os.path.join(folder, "s")

    @inlineCallbacks
    def test_a_unix_socket_is_served_and_removed(self) -> Any:
        from twisted.internet import reactor

        path = self.path()
        cache = self.service(port=None, config={"endpoint": f"unix:{path}"})
        client = StreamClient(UNIXClientEndpoint(reactor, path), clock=reactor)
        self.addCleanup(client.close)
        assert (yield client.request("SET", "k", "v")) == b"OK"
        assert f" addr={path}:0 laddr={path}:0 ".encode() in (yield client.request("CLIENT", "LIST"))
        assert cache.port is None
        yield cache.stopService()
        assert not os.path.exists(path)
        cache.startService()
        assert (yield client.request("GET", "k")) == b"v"

    @inlineCallbacks
    def test_several_endpoints_stand_beside_the_port(self) -> Any:
        path = self.path()
        cache = self.service(config={"endpoint": [f"unix:{path}", "tcp:0:interface=127.0.0.1"]})
        assert os.path.exists(path)
        assert (yield self.client(cache.port).request("PING")) == b"PONG"

    def test_an_endpoint_that_cannot_be_opened_is_an_error_and_nothing_stays_open(self) -> None:
        cache = self.service(start=False, config={"endpoint": "unix:/does/not/exist/s"})
        raised(error.CannotListenError, cache.startService)
        assert cache.port is None
        self.flushLoggedErrors()

    @inlineCallbacks
    def test_the_addresses_are_told_in_a_file_until_the_end(self) -> Any:
        unix = self.path()
        folder = os.path.dirname(unix)
        path = f"{folder}/addresses"
        cache = self.service(config={"address-file": path, "unixsocket": unix})
        with open(path, encoding="utf-8") as file:
            told = file.read()
        assert told == f"udp 127.0.0.1:{cache.udp_port}\ntcp 127.0.0.1:{cache.port}\nunix {unix}\n"
        yield cache.stopService()
        assert os.listdir(folder) == []

    @inlineCallbacks
    def test_the_addresses_of_a_later_server_stay_when_an_earlier_one_ends(self) -> Any:
        path = f"{os.path.dirname(self.path())}/addresses"
        first, second = (self.service(config={"address-file": path}) for _ in range(2))
        yield first.stopService()
        with open(path, encoding="utf-8") as file:
            assert f"tcp 127.0.0.1:{second.port}\n" in file.read()
        yield second.stopService()
        assert not os.path.exists(path)

    def test_a_file_of_addresses_that_cannot_be_written_is_an_error(self) -> None:
        cache = self.service(start=False, config={"address-file": "/does/not/exist/addresses"})
        raised(error.CannotListenError, cache.startService)
        assert cache.port is None

    def test_an_endpoint_that_fails_later_is_logged(self) -> None:
        cache = self.service(start=False, port=None, config={"endpoint": "later"})
        opening: defer.Deferred[Any] = defer.Deferred()
        endpoint = mock.Mock()
        endpoint.listen.return_value = opening
        told: list[Any] = []
        globalLogPublisher.addObserver(told.append)
        self.addCleanup(globalLogPublisher.removeObserver, told.append)
        with mock.patch("twisted.internet.endpoints.serverFromString", return_value=endpoint):
            cache.startService()
        opening.errback(error.CannotListenError("x", 1, OSError("no")))
        errors = [formatEvent(event) for event in told if event["log_level"] is LogLevel.error]
        assert len(errors) == 1
        assert errors[0].startswith("cannot listen on later: ")

    @inlineCallbacks
    def test_an_endpoint_that_takes_its_time_is_opened_and_closed(self) -> Any:
        cache = self.service(start=False, port=None, config={"endpoint": "later"})
        opening: defer.Deferred[Any] = defer.Deferred()
        endpoint, port = mock.Mock(), mock.Mock()
        endpoint.listen.return_value = opening
        with mock.patch("twisted.internet.endpoints.serverFromString", return_value=endpoint):
            cache.startService()
        opening.callback(port)
        port.stopListening.assert_not_called()
        yield cache.stopService()
        port.stopListening.assert_called_once_with()

    @inlineCallbacks
    def test_an_endpoint_that_opens_after_the_stop_is_closed_at_once(self) -> Any:
        cache = self.service(start=False, port=None, config={"endpoint": "later"})
        opening: defer.Deferred[Any] = defer.Deferred()
        endpoint, port = mock.Mock(), mock.Mock()
        endpoint.listen.return_value = opening
        with mock.patch("twisted.internet.endpoints.serverFromString", return_value=endpoint):
            cache.startService()
        stopping = defer.maybeDeferred(cache.stopService)
        if not opening.called:
            opening.callback(port)
            port.stopListening.assert_called_once_with()
        yield stopping
