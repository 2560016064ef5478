"""The `twistd owncache` plugin: makes a service from command-line options.

An error in the options, the configuration file or the ports is reported in one line, with exit status 1.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from typing import Any, Callable

from twisted.internet.defer import CancelledError
from twisted.internet.error import CannotListenError
from twisted.python import usage
from twisted.python.failure import Failure

from twisted_kv.faces import listeners
from twisted_kv.persistence.errors import DataFolderError
from twisted_kv.service import CacheService
from twisted_kv.sessions.session import SettingError
from twisted_kv.settings.config import KNOWN, SETTINGS, Settings, apply_config
from twisted_kv.settings.kinds import YesNo
from twisted_kv.settings.setting import Setting
from twisted_kv.version import VERSION


class StartError(SystemExit, Exception):
    """The program cannot start; `str()` is one line with the reason.

    As a SystemExit, it prints that line and no traceback; as an ordinary Exception too, it lets twistd first remove its
    pid file and notify the parent of a daemon.
    """

    def __init__(self, why: str) -> None:
        super().__init__(f"owncache: {why}")


class Options(usage.Options):
    """The options of `twistd owncache`, made from the table of settings."""

    synopsis = "[options]"
    longdesc = (
        "A key-value cache for Redis clients (RESP over TCP) and for datagrams (foo=bar), on the same port number. "
        "The options bear the names of redis.conf; --config reads a file in its syntax, which the options override."
    )

    def __init__(self) -> None:
        self.given: dict[str, list[str]] = {}
        self.files: list[str] = []
        self.named: set[str] = set()
        """The settings that appear in the files."""
        self.notes: list[str] = []
        """Notes about the options and files, to be logged at the start."""
        self._unknown_is_wrong = True
        self._options_are_known = False
        super().__init__()
        self.settings = Settings()

    def opt_version(self) -> None:
        """Print the version and exit."""
        print(f"owncache {VERSION}")
        raise SystemExit(0)

    def opt_config(self, path: str) -> None:
        """Read settings from a file in redis.conf's syntax."""
        self.files.append(path)

    def opt_config_unknown(self, what: str) -> None:
        """Say what becomes of a name in a configuration file that Redis does not know either: error|warn"""
        if what not in ("error", "warn"):
            raise usage.UsageError(f"--config-unknown is error or warn, not '{what}'")
        self._unknown_is_wrong = what == "error"

    def parseOptions(self, options: Any = None) -> None:
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            hint = "" if self._options_are_known else " (`twistd owncache --help` lists the options)"
            raise StartError(f"{error}{hint}") from None

    def parseArgs(self, *words: str) -> None:
        if words:
            raise usage.UsageError(f"unexpected argument '{words[0]}'")

    def postOptions(self) -> None:
        self._options_are_known = True
        for path in self.files:
            self.named |= self.read(path, self.settings.set, self.notes.append)
        try:
            for name, values in self.given.items():
                if SETTINGS[name].kind.repeatable:
                    last = max((index for index, value in enumerate(values) if not value), default=-1)
                    values = [" ".join(values[last + 1 :])]  # an empty value clears those before it
                self.settings.set(name, values[-1])
            listeners.check(self.settings)
            if not listeners.are_asked_for(self.settings):
                raise ValueError("without TCP, UDP or an endpoint, no client could reach the server")
        except ValueError as error:
            raise usage.UsageError(str(error)) from None
        self._check_endpoints()
        self._note()
        try:
            listeners.check_ports(self.settings)
        except OSError as error:
            raise usage.UsageError(str(error)) from None

    def read(self, path: str, apply: Callable[[str, str], None], note: Callable[[str], None]) -> set[str]:
        """Pass each setting of a file to `apply` and return their names; raises `usage.UsageError` for errors in it."""
        named: set[str] = set()

        def unknown(name: str) -> None:
            note(f"{path}: unknown setting '{name}'")

        def take(name: str, text: str) -> None:
            apply(name, text)
            named.add(name)

        try:
            apply_config(_lines(path), take, include=_lines, unknown=None if self._unknown_is_wrong else unknown)
        except OSError as error:
            raise usage.UsageError(f"cannot read {error.filename}: {error.strerror}") from None
        except ValueError as error:
            raise usage.UsageError("\n".join(f"{path}: {line}" for line in str(error).split("\n"))) from None
        return named

    def _note(self) -> None:
        settings = self.settings
        if self.files and "save" not in {*self.named, *self.given} and not settings.appendonly:
            self.notes.append(
                "the configuration file has no save line: redis-server saves snapshots then (save 3600 1 300 100 60 "
                "10000), and here nothing is saved"
            )
        if "requirepass" in self.given:
            self.notes.append(
                "--requirepass on the command line can be read by all users of this machine: put it into a file, and "
                "name that with --config"
            )
        self.notes += settings.notes()

    def _check_endpoints(self) -> None:
        if not self.settings.endpoint:
            return
        from twisted.internet import reactor
        from twisted.internet.endpoints import serverFromString

        for description in self.settings.endpoint:
            try:
                serverFromString(reactor, description)
            except Exception as error:  # each kind of endpoint has its own parser, and each parser its own exceptions
                raise usage.UsageError(f"setting 'endpoint': '{description}': {error}") from None


def _lines(path: str) -> list[bytes]:
    """Return the lines of a configuration file; raises OSError."""
    with open(os.path.expanduser(path), "rb") as file:
        return file.readlines()


def _option(setting: Setting) -> Callable[[Options, str], None]:
    """Return the method that usage.Options calls for the option of a setting."""

    def take(self: Options, value: str) -> None:
        self.given.setdefault(setting.name, []).append(value)

    default = setting.kind.format(getattr(Settings(), setting.attribute))
    note = f" [default: {default}]" if default else ""
    take.__doc__ = f"{setting.purpose}: {setting.kind.placeholder}{note}"
    return take


def _switch(setting: Setting) -> Callable[[Options], None]:
    """Return the method for `--no-NAME`, for a setting that is on by default."""

    def switch_off(self: Options) -> None:
        self.given.setdefault(setting.name, []).append("no")

    switch_off.__doc__ = f"do not {setting.purpose}"
    return switch_off


def _switch_on(setting: Setting) -> Callable[[Options], None]:
    def switch_on(self: Options) -> None:
        self.given.setdefault(setting.name, []).append("yes")

    switch_on.__doc__ = setting.purpose
    return switch_on


SWITCHES = {"tcp": "no-tcp", "udp": "no-udp", "udp-binary": "udp-binary"}
"""The options of settings that take no value on the command line, by setting."""

for _setting in SETTINGS.values():
    _name = SWITCHES.get(_setting.name, _setting.name)
    assert _name == _setting.name or isinstance(_setting.kind, YesNo)
    _make: Any = _option if _setting.name not in SWITCHES else _switch if _name.startswith("no-") else _switch_on
    setattr(Options, "opt_" + _name.replace("-", "_"), _make(_setting))


class PluginService(CacheService):
    """The cache as a program of its own: SHUTDOWN ends it, and a port in use is reported in one line.

    On SIGHUP it reads its configuration files again.  SIGTERM and SIGINT end it as `shutdown-on-sigterm` and
    `shutdown-on-sigint` specify.  SIGUSR1 is left to twistd, which reopens its log file if it has one.
    """

    owns_process = True

    def __init__(self, options: Options) -> None:
        super().__init__(config=options.settings, on_shutdown=self._end)
        self._options = options
        self._ending = False

    def startService(self) -> None:
        super().startService()
        for note in self._options.notes:
            self._log.warn("{note}", note=note)
        self._global_reactor().callWhenRunning(self._install_signal_handlers)

    def _install_signal_handlers(self) -> None:
        """Install the signal handlers, after the reactor has installed its own."""
        signal.signal(signal.SIGHUP, lambda *_: self._global_reactor().callFromThread(self.reload))
        if signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL:  # the default action would end the process
            signal.signal(signal.SIGUSR1, lambda *_: self._global_reactor().callFromThread(self._ignore_rotation))
        for number, name in ((signal.SIGTERM, "shutdown-on-sigterm"), (signal.SIGINT, "shutdown-on-sigint")):
            signal.signal(number, self._ending_handler(name, signal.getsignal(number)))

    def _ending_handler(self, name: str, previous: Any) -> Callable[[int, Any], None]:
        """Return a handler for a signal that ends the process: apply a setting, then call the previous one."""

        def handle(number: int, frame: Any) -> None:
            ends = KNOWN[name].get(self.settings)
            if self._durability is not None and {"save", "nosave"} & set(ends):
                self._durability.save_at_end("save" in ends)
            if callable(previous):
                previous(number, frame)

        return handle

    def _ignore_rotation(self) -> None:
        self._log.info("SIGUSR1 is ignored: twistd has no log file (-l) to reopen")

    def reload(self) -> None:
        """Read the configuration files again and change the settings that they name: all of them, or none.

        Settings that CONFIG SET may not change are logged.  Options of the command line take precedence.  A setting
        that a file no longer names keeps its value.
        """
        options = self._options
        if not options.files:
            self._log.info("SIGHUP is ignored: there is no configuration file (--config)")
            return
        found = Settings()
        notes: list[str] = []
        try:
            named = {
                KNOWN[name].alias_of or name
                for path in options.files
                for name in options.read(path, found.set, notes.append)
            }
            fixed, wanted = [], {}
            for name in sorted(named - set(options.given)):
                text = found.get(name)
                if text != self.settings.get(name):
                    if KNOWN[name].fixed:
                        fixed.append(name)
                    else:
                        wanted[name] = text
            self.dispatcher.server.change_settings(wanted)
        except usage.UsageError as error:
            self._log.error("the configuration is left as it is: {error}", error=error)
            return
        except SettingError as error:
            self._log.error(
                "the configuration is left as it is: setting '{name}': {error}", name=error.name, error=error
            )
            return
        for note in [*notes, *found.notes()]:
            self._log.warn("{note}", note=note)
        if fixed:
            self._log.warn("these settings hold from the next start on: {names}", names=", ".join(fixed))
        self._log.info("read the configuration again: {names}", names=", ".join(wanted) or "nothing has changed")

    def _open(self) -> None:
        try:
            super()._open()
        except CannotListenError as error:
            where = f"{error.interface}:{error.port}" if error.interface else error.port
            raise self._refusal(f"cannot listen on {where}: {error.socketError}") from None
        except DataFolderError as error:
            raise self._refusal(str(error)) from None

    def _load_failed(self, failure: Failure) -> None:
        super()._load_failed(failure)
        if not failure.check(CancelledError):
            self._refusal(f"cannot load the data: {failure.getErrorMessage()}")
            self._end()
            # The reactor cannot set an exit status.  The function registered last is called first, when twistd is done.
            atexit.register(os._exit, 1)

    @staticmethod
    def _refusal(why: str) -> StartError:
        """Return the error, and print it if twistd has redirected stderr to the log, which may be a file."""
        refusal = StartError(why)
        if sys.stderr is not sys.__stderr__:
            print(refusal, file=sys.__stderr__, flush=True)
        return refusal

    def _end(self) -> None:
        if not self._ending:
            self._ending = True
            self._global_reactor().callLater(0, self._global_reactor().stop)


def makeService(options: Options) -> PluginService:
    """Return the service that twistd runs."""
    return PluginService(options)
