"""`twistd owncache`: options to a service.

Whatever is wrong with the options, the configuration file or the ports is told in one line, and the exit status is 1.
"""

from __future__ import annotations

import atexit
import os
import sys
from typing import Any, Callable

from twisted.internet.defer import CancelledError
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.python import usage
from twisted.python.failure import Failure

from twisted_kv.config import SETTINGS, Setting, Settings, YesNo, apply_config
from twisted_kv.net import listeners
from twisted_kv.persistence.errors import DataFolderError
from twisted_kv.service import CacheService
from twisted_kv.version import VERSION


class StartError(SystemExit, Exception):
    """The program cannot start; `str()` is the one line that says why.

    Being an exit, it prints that line and no traceback; being an ordinary exception too, it lets twistd remove its pid
    file and tell the parent of a daemon first.
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
            self._read(path)
        try:
            for name, values in self.given.items():
                if SETTINGS[name].kind.repeatable:
                    last = max((place for place, value in enumerate(values) if not value), default=-1)
                    values = [" ".join(values[last + 1 :])]  # an empty one clears those before it
                self.settings.set(name, values[-1])
            listeners.check(self.settings)
            if not (self.settings.tcp or self.settings.udp or self.settings.endpoint):
                raise ValueError("with neither TCP nor UDP nor an endpoint, nobody could reach it")
        except ValueError as error:
            raise usage.UsageError(str(error)) from None
        self._check_endpoints()
        try:
            listeners.check_ports(self.settings)
        except OSError as error:
            raise usage.UsageError(str(error)) from None

    def _read(self, path: str) -> None:
        try:
            with open(os.path.expanduser(path), "rb") as file:
                apply_config(file, self.settings.set)
        except OSError as error:
            raise usage.UsageError(f"cannot read {path}: {error.strerror}") from None
        except ValueError as error:
            raise usage.UsageError(f"{path}: {error}") from None

    def _check_endpoints(self) -> None:
        from twisted.internet import reactor

        for description in self.settings.endpoint:
            try:
                serverFromString(reactor, description)
            except Exception as error:  # each kind of endpoint has its own parser, and each parser its own errors
                raise usage.UsageError(f"setting 'endpoint': '{description}': {error}") from None


def _option(setting: Setting) -> Callable[[Options, str], None]:
    """Make the method that usage.Options calls for the option of a setting."""

    def take(self: Options, value: str) -> None:
        self.given.setdefault(setting.name, []).append(value)

    default = setting.kind.format(getattr(Settings(), setting.attribute))
    note = f" [default: {default}]" if default else ""
    take.__doc__ = f"{setting.purpose}: {setting.kind.placeholder}{note}"
    return take


def _switch(setting: Setting) -> Callable[[Options], None]:
    """Make the method for `--no-NAME`, where a setting is on by default."""

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
"""Settings that are options without a value."""

for _setting in SETTINGS.values():
    _name = SWITCHES.get(_setting.name, _setting.name)
    assert _name == _setting.name or isinstance(_setting.kind, YesNo)
    _make: Any = _option if _setting.name not in SWITCHES else _switch if _name.startswith("no-") else _switch_on
    setattr(Options, "opt_" + _name.replace("-", "_"), _make(_setting))


class PluginService(CacheService):
    """The cache as a program of its own: SHUTDOWN ends it, and a port in use is told in one line."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(config=settings, on_shutdown=self._end)
        self._ending = False

    def _open(self) -> None:
        try:
            super()._open()
        except CannotListenError as error:
            where = f"{error.interface}:{error.port}" if error.interface else error.port
            raise self._refusal(f"cannot listen on {where}: {error.socketError}") from None
        except DataFolderError as error:
            raise self._refusal(str(error)) from None

    def _not_loaded(self, failure: Failure) -> None:
        super()._not_loaded(failure)
        if not failure.check(CancelledError):
            self._refusal(f"cannot load the data: {failure.getErrorMessage()}")
            self._end()
            # The reactor knows no status to end with.  What is registered last is called first, when twistd is done.
            atexit.register(os._exit, 1)

    @staticmethod
    def _refusal(why: str) -> StartError:
        """Make the error, and have people see it where twistd has turned stderr into the log, which may be a file."""
        refusal = StartError(why)
        if sys.stderr is not sys.__stderr__:
            print(refusal, file=sys.__stderr__, flush=True)
        return refusal

    def _end(self) -> None:
        if not self._ending:
            self._ending = True
            self._global_reactor().callLater(0, self._global_reactor().stop)


def makeService(options: Options) -> PluginService:
    """Make the service that twistd runs."""
    return PluginService(options.settings)
