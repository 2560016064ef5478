"""Error replies.  The texts are Redis 7.0's own, byte for byte, because clients match on them."""

from __future__ import annotations

from typing import Final, Sequence

SYNTAX: Final = "syntax error"
NOT_AN_INTEGER: Final = "value is not an integer or out of range"
NOT_A_FLOAT: Final = "value is not a valid float"
OVERFLOW: Final = "increment or decrement would overflow"
NO_FOLDER: Final = "this cache has no folder to write to: it was started without dir, save and appendonly"
INTERNAL: Final = "internal error, see the log of the server"
STRING_TOO_LONG: Final = "string exceeds maximum allowed size (proto-max-bulk-len)"


def as_text(data: bytes) -> str:
    """Decode a client's bytes for an error text, so that `CommandError.line` returns the same bytes."""
    return data.decode("utf-8", "surrogateescape")


def c_string(word: bytes) -> bytes:
    """Cut bytes at the first NUL, where a C string ends.  Redis reads the names of options this way."""
    return word.partition(b"\0")[0]


def c_text(word: bytes) -> str:
    """Decode a client's argument for an error text, as C prints it."""
    return as_text(c_string(word))


class CommandError(Exception):
    """An error reply: `code` is its first word (ERR, WRONGTYPE, NOAUTH, ...), `message` the rest."""

    is_counted = False
    """Whether it is among the server's counts of errors already."""

    def __init__(self, message: str, code: str = "ERR") -> None:
        super().__init__(f"{code} {message}" if message else code)
        self.code = code
        self.message = message

    def bare(self) -> CommandError:
        """Return the error without its traceback, whose frames would keep arguments alive as long as the error."""
        self.__traceback__ = self.__context__ = self.__cause__ = None
        return self

    @property
    def line(self) -> bytes:
        """The error as one line of bytes; as in Redis, inner line ends become spaces and those at the end are cut."""
        text = str(self).encode("utf-8", "surrogateescape").rstrip(b"\r\n")
        return text.replace(b"\r", b" ").replace(b"\n", b" ")

    @classmethod
    def parse(cls, line: bytes) -> CommandError:
        """Parse an error that a server sent: the first word is its code."""
        code, _, message = as_text(line).partition(" ")
        return cls(message, code)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CommandError) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


class WrongTypeError(CommandError):
    """The key holds a value of another type."""

    def __init__(self) -> None:
        super().__init__("Operation against a key holding the wrong kind of value", "WRONGTYPE")


class ArityError(CommandError):
    """Too few or too many arguments; `command` is the command's full name in lower case, as `config|get`."""

    def __init__(self, command: str) -> None:
        super().__init__(f"wrong number of arguments for '{command}' command")
        self.command = command


class SpelledError(CommandError):
    """An error whose text names the command as the client spelled it.

    The caller that has the whole request makes the reply with `spelled`.
    """

    def spelled(self, words: Sequence[bytes]) -> CommandError:
        """Return the error reply for a request."""
        raise NotImplementedError


class WaitInScriptError(SpelledError):
    """A script has called a command with an option that would have it wait."""

    def __init__(self, option: str) -> None:
        super().__init__(f"command is not allowed with {option} option from scripts")

    def spelled(self, words: Sequence[bytes]) -> CommandError:
        return CommandError(f"{c_text(words[0])} {self.message}")


class SubcommandError(SpelledError):
    """A subcommand was called with arguments that it does not accept."""

    def __init__(self) -> None:
        super().__init__("unknown subcommand or wrong number of arguments")

    def spelled(self, words: Sequence[bytes]) -> CommandError:
        name, container = c_text(words[1][:128]), c_text(words[0].upper())
        return CommandError(f"{self.message} for '{name}'. Try {container} HELP.")


class LossError(CommandError):
    """What a request brings cannot be kept; `lost` is the reason if it is intact, and a replay must not skip it."""

    def __init__(self, message: str, lost: str = "") -> None:
        super().__init__(message)
        self.lost = lost


class PayloadError(LossError):
    """The payload of RESTORE cannot be read; `lost` is the reason if it is intact but cannot be stored."""

    def __init__(self, lost: str = "") -> None:
        super().__init__("Bad data format", lost)


class MissingLuaError(LossError):
    """There is no Lua to run scripts and functions."""

    def __init__(self) -> None:
        text = "scripts need lupa, which is not installed here: pip install 'twisted-kv[lua]'"
        super().__init__(text, text)


class ExpireTimeError(CommandError):
    """A TTL is not positive, or its deadline is too far off to be stored as milliseconds."""

    def __init__(self, command: str) -> None:
        super().__init__(f"invalid expire time in '{command}' command")


class SaveError(CommandError):
    """A snapshot could not be saved: clients get `-ERR` alone, as in Redis; an in-process caller gets the reason."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the snapshot could not be saved: {why}")

    @property
    def line(self) -> bytes:
        return b"ERR"


class WouldWait(CommandError):  # noqa: N818  # the name says what would happen
    """A command would have to wait, and its caller cannot; nothing was changed."""

    def __init__(self, command: str) -> None:
        name = command.upper().replace("|", " ")
        super().__init__(f"{name} would have to wait here: use request(), which returns a Deferred", "WOULDWAIT")


class SessionEnded(CommandError):  # noqa: N818  # as above
    """A session has ended in which a request still waited."""

    def __init__(self) -> None:
        super().__init__("the session ended while the request was waiting", "ENDED")


class BusyError(CommandError):
    """A script runs for long, or a function, and nearly nothing else is served."""

    def __init__(self, *, is_function: bool) -> None:
        kill = "FUNCTION KILL" if is_function else "SCRIPT KILL"
        super().__init__(f"Redis is busy running a script. You can only call {kill} or SHUTDOWN NOSAVE.", "BUSY")
        self.is_function = is_function


class SharedSessionError(CommandError):
    """A command would change a session that is shared between callers."""

    def __init__(self, command: str) -> None:
        name = command.upper().replace("|", " ")
        super().__init__(f"{name} changes the session, which all callers share here: use session()")


class AttackError(Exception):
    """A request that gets no reply, because it is not meant for this server; its connection is closed."""


class ProtocolError(Exception):
    """A peer sent bytes that are not RESP; nothing after them can be read.  `str()` is Redis's own text for it."""
