"""The plugin of twistd, and what its options become."""

from __future__ import annotations

import os
import socket
import tempfile
from typing import Any
from unittest import mock

from twisted.application.service import IService, IServiceMaker, MultiService
from twisted.internet import defer, error, task
from twisted.plugin import IPlugin, getPlugins
from twisted.python import usage
from twisted.trial import unittest

from tests.trial import raised
from twisted_kv import tap
from twisted_kv.service import CacheService
from twisted_kv.settings.config import SETTINGS
from twisted_kv.tap import Options, StartError, makeService
from twisted_kv.version import VERSION
from twisted_kv.vocabulary.errors import CommandError


def options(*arguments: str) -> Options:
    """Parse a command line."""
    parsed = Options()
    parsed.parseOptions(list(arguments))
    return parsed


class PluginTests(unittest.SynchronousTestCase):
    """What twistd finds."""

    def test_twistd_finds_the_plugin_once(self) -> None:
        makers = [maker for maker in getPlugins(IServiceMaker) if maker.tapname == "owncache"]
        assert len(makers) == 1
        assert IPlugin.providedBy(makers[0])
        assert makers[0].options is Options
        assert makers[0].description

    def test_the_plugin_makes_a_service_from_options(self) -> None:
        [maker] = [maker for maker in getPlugins(IServiceMaker) if maker.tapname == "owncache"]
        service = maker.makeService(options("--port", "0"))
        assert IService.providedBy(service)
        assert isinstance(service, CacheService)

    def test_no_package_hides_the_plugins_of_others(self) -> None:
        from twisted.internet import base as reactor_base

        from twisted.plugins import owncache_plugin

        folder = os.path.dirname(owncache_plugin.__file__)
        if os.path.dirname(folder) == os.path.dirname(os.path.dirname(os.path.abspath(reactor_base.__file__))):
            return  # installed among Twisted's own plugins, which are a package
        for each in (folder, os.path.dirname(folder)):
            assert "__init__.py" not in os.listdir(each)


class OptionTests(unittest.SynchronousTestCase):
    """Options to settings; whether the ports are free is another matter, which depends on the machine."""

    def setUp(self) -> None:
        self.patch(tap.listeners, "check_ports", lambda settings: None)

    def settings(self, *arguments: str) -> Any:
        return options(*arguments).settings

    def refused(self, *arguments: str) -> str:
        """Give the line that a command line is refused with."""
        caught = raised(StartError, options, *arguments)
        assert isinstance(caught, SystemExit)
        line = str(caught)
        assert line.startswith("owncache: "), line
        assert "\n" not in line
        return line

    def config(self, text: str) -> str:
        """Write a configuration file and give its path."""
        number, path = tempfile.mkstemp()
        self.addCleanup(os.remove, path)
        with open(number, "w") as file:
            file.write(text)
        return path

    def test_without_options_all_is_default(self) -> None:
        settings = self.settings()
        assert (settings.port, settings.udp_port, settings.tcp, settings.udp) == (6379, -1, True, True)
        assert settings.bind == ("127.0.0.1", "-::1")

    def test_options_are_read(self) -> None:
        settings = self.settings("--port", "7000", "--udp-port=7001", "--udp-dialect", "EQUALS", "--maxclients", "5")
        assert (settings.port, settings.udp_port) == (7000, 7001)
        assert (settings.udp_dialect, settings.maxclients) == ("equals", 5)

    def test_a_surplus_word_is_named(self) -> None:
        assert "unexpected argument 'foo' (`twistd owncache --help`" in self.refused("--port", "1", "foo")

    def test_a_cache_that_nobody_can_reach_is_refused(self) -> None:
        assert "no client could reach" in self.refused("--no-tcp", "--no-udp")

    def test_switches_have_no_value(self) -> None:
        settings = self.settings("--no-tcp", "--udp-binary")
        assert (settings.tcp, settings.udp, settings.udp_binary) == (False, True, True)
        assert not self.settings("--no-udp").udp

    def test_an_option_may_be_repeated_where_that_makes_sense(self) -> None:
        settings = self.settings("--udp-allow", "10.0.0.0/8", "--udp-allow", "192.168.0.0/16")
        assert [str(each) for each in settings.udp_allow] == ["10.0.0.0/8", "192.168.0.0/16"]

    def test_of_an_option_given_twice_the_last_one_holds(self) -> None:
        assert self.settings("--port", "1", "--port", "2").port == 2

    def test_every_setting_is_an_option_or_a_switch(self) -> None:
        known = {name.replace("opt_", "").replace("_", "-") for name in dir(Options) if name.startswith("opt_")}
        for name in SETTINGS:
            assert tap.SWITCHES.get(name, name) in known

    def test_options_go_before_the_file(self) -> None:
        path = self.config('# a comment\n\nport 7000\nmaxclients 9\nrequirepass "a b"\n')
        for arguments in (("--config", path, "--port", "8000"), ("--port", "8000", "--config", path)):
            settings = self.settings(*arguments)
            assert (settings.port, settings.maxclients, settings.requirepass) == (8000, 9, "a b")

    def test_a_file_that_cannot_be_read_is_named(self) -> None:
        assert "cannot read /does/not/exist: No such file" in self.refused("--config", "/does/not/exist")
        assert "cannot read" in self.refused("--config", ".")

    def test_a_wrong_line_of_a_file_is_named(self) -> None:
        for text, why in (
            ("port 1\nnonsense yes\n", "line 2: unknown setting 'nonsense'"),
            ("port many\n", "line 1: setting 'port': argument couldn't be parsed into an integer"),
            ("port\n", "line 1: setting 'port' has no value"),
            ('requirepass "a\n', "line 1: unbalanced quotes"),
        ):
            path = self.config(text)
            assert self.refused("--config", path) == f"owncache: {path}: {why}"

    def test_wrong_options_are_told_in_one_line(self) -> None:
        for arguments, why in (
            (["--nonsense"], "nonsense"),
            (["--port"], "port"),
            (["--port", "many"], "setting 'port': argument couldn't be parsed into an integer"),
            (["--port", "65536"], "setting 'port': argument must be between 0 and 65535 inclusive"),
            (["--bind", "nowhere"], "setting 'bind': 'nowhere' is not an address"),
            (["--bind", ""], "setting 'bind': there is no address"),
            (["--udp-allow", "10.0.0.1/8"], "setting 'udp-allow': "),
            (["--udp-dialect", "morse"], "must be one of the following: auto, equals, command, resp"),
            (["--endpoint", "carrier-pigeon:1"], "setting 'endpoint': 'carrier-pigeon:1': "),
            (["--endpoint", "tcp"], "setting 'endpoint': 'tcp': "),
            (["--endpoint", "tcp:port=x"], "setting 'endpoint': 'tcp:port=x': "),
            (["left", "over"], ""),
        ):
            with self.subTest(arguments=arguments):
                assert why in self.refused(*arguments)

    def test_udp_for_everybody_must_be_asked_for(self) -> None:
        for host in ("0.0.0.0", "*", "::", "192.0.2.1"):
            assert "--udp-allow NETWORK" in self.refused("--bind", host)
        assert not self.settings("--bind", "0.0.0.0", "--no-udp").udp
        assert self.settings("--bind", "0.0.0.0", "--udp-allow", "10.0.0.0/8").udp

    def test_an_endpoint_that_can_be_is_kept(self) -> None:
        assert self.settings("--endpoint", "unix:/tmp/s").endpoint == ("unix:/tmp/s",)

    def test_the_help_names_every_option_with_its_default(self) -> None:
        text = str(Options())
        for name in SETTINGS:
            assert "--" + tap.SWITCHES.get(name, name) in text
        assert "[default: 6379]" in text
        assert "--config" in text

    def test_the_version_is_printed(self) -> None:
        with mock.patch("builtins.print") as printed:
            ended = raised(SystemExit, options, "--version")
        assert ended.code == 0
        printed.assert_called_once_with(f"owncache {VERSION}")

    def test_help_is_no_error(self) -> None:
        with mock.patch("sys.stdout"):
            assert raised(SystemExit, options, "--help").code in (0, None)

    def test_the_usage_error_of_twisted_is_no_surprise(self) -> None:
        assert not issubclass(StartError, usage.UsageError)


class PluginServiceTests(unittest.SynchronousTestCase):
    """The cache as a program."""

    def test_shutdown_stops_the_reactor_once_its_turn_is_over(self) -> None:
        service = makeService(options("--port", "0"))
        reactor = task.Clock()
        reactor.stop = mock.Mock()
        service._reactor = reactor
        service.call("SHUTDOWN", "NOSAVE")
        reactor.stop.assert_not_called()
        reactor.advance(0)
        reactor.stop.assert_called_once_with()

    def test_a_shutdown_that_wants_to_save_is_refused_without_persistence(self) -> None:
        service = makeService(options("--port", "0"))
        raised(CommandError, service.call, "SHUTDOWN", "SAVE")

    def test_a_port_in_use_is_told_in_one_line(self) -> None:
        service = makeService(options("--port", "0"))
        failure = error.CannotListenError("127.0.0.1", 7, OSError(98, "Address already in use"))
        with mock.patch("twisted_kv.faces.listeners.Listeners.open", side_effect=failure):
            told = raised(StartError, service.privilegedStartService)
        assert "owncache: cannot listen on 127.0.0.1:7: " in str(told)
        assert "Address already in use" in str(told)
        assert "\n" not in str(told)

    def test_an_endpoint_that_cannot_be_opened_is_told_in_one_line(self) -> None:
        service = makeService(options("--port", "0"))
        failure = error.CannotListenError(None, "unix:/x", OSError(13, "Permission denied"))
        with mock.patch("twisted_kv.faces.listeners.Listeners.open", side_effect=failure):
            told = raised(StartError, service.privilegedStartService)
        assert str(told) == "owncache: cannot listen on unix:/x: [Errno 13] Permission denied"


class FreePortTests(unittest.SynchronousTestCase):
    """Ports that are taken are told before anything is started."""

    def taken(self, kind: int, host: str = "127.0.0.1") -> str:
        """Take a port whose number is free for the other transport; gives that number."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        other = socket.SOCK_DGRAM if kind == socket.SOCK_STREAM else socket.SOCK_STREAM
        for _ in range(100):
            taken = socket.socket(family, kind)
            self.addCleanup(taken.close)
            taken.bind((host, 0))
            if kind == socket.SOCK_STREAM:
                taken.listen(1)
            number: int = taken.getsockname()[1]
            with socket.socket(family, other) as probe:
                try:
                    probe.bind((host, number))
                except OSError:
                    continue  # somebody else's, of a test that runs at the same time
            return str(number)
        raise AssertionError("no number is free")

    def test_a_taken_port_of_either_transport_is_told(self) -> None:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            number = self.taken(kind)
            told = str(raised(StartError, options, "--port", number, "--bind", "127.0.0.1"))
            assert told == f"owncache: cannot listen on 127.0.0.1:{number}: Address already in use"

    def test_a_taken_port_does_not_matter_to_the_other_transport(self) -> None:
        number = self.taken(socket.SOCK_STREAM)
        assert options("--no-tcp", "--port", number, "--bind", "127.0.0.1").settings.port == int(number)
        number = self.taken(socket.SOCK_DGRAM)
        assert options("--no-udp", "--port", number, "--bind", "127.0.0.1").settings.port == int(number)

    def test_another_udp_port_is_tried_where_one_is_named(self) -> None:
        number = self.taken(socket.SOCK_DGRAM)
        told = str(raised(StartError, options, "--port", "0", "--udp-port", number, "--bind", "127.0.0.1"))
        assert f"cannot listen on 127.0.0.1:{number}: " in told

    def test_an_address_that_is_not_there_is_told_unless_it_is_optional(self) -> None:
        for bind, why in (("127.0.0.1 192.0.2.1", "cannot listen on 192.0.2.1:0: "), ("127.0.0.1 -192.0.2.1", "")):
            arguments = ["--port", "0", "--no-udp", "--bind", bind]
            if why:
                assert why in str(raised(StartError, options, *arguments))
            else:
                assert options(*arguments).settings.bind == ("127.0.0.1", "-192.0.2.1")


class PluginPortTests(unittest.TestCase):
    """The ports of the program, opened with its privileges."""

    def test_the_ports_are_open_before_the_service_starts(self) -> Any:
        service = makeService(options("--port", "0"))
        service.privilegedStartService()
        self.addCleanup(service.stopService)
        number = service.port
        assert number > 0
        assert service.udp_port == number
        service.startService()
        assert service.port == number

    @defer.inlineCallbacks
    def test_it_may_be_one_of_several_services(self) -> Any:
        parent = MultiService()
        service = makeService(options("--port", "0"))
        service.setServiceParent(parent)
        parent.privilegedStartService()
        parent.startService()
        assert service.running
        yield parent.stopService()
        assert service.port is None
