"""Times to live as options and arguments give them: relative or absolute, in seconds or milliseconds."""

from __future__ import annotations

from twisted_kv.declaring.arguments import integer
from twisted_kv.sessions.session import Session
from twisted_kv.vocabulary.errors import ExpireTimeError
from twisted_kv.vocabulary.numbers import INT64_MAX, INT64_MIN

TIME_OPTIONS = {b"EX": (1000, False), b"PX": (1, False), b"EXAT": (1000, True), b"PXAT": (1, True)}
"""Milliseconds of one unit, and whether the time is a date."""


def deadline(session: Session, time: bytes, unit: int, absolute: bool, command: str) -> int:
    """Turn a time into a date in milliseconds, which may have passed; raises `ExpireTimeError` if that overflows.

    `unit` is the milliseconds of one unit of `time`, `command` the name for the error.
    """
    amount = integer(time)
    milliseconds = amount * unit
    if not INT64_MIN <= milliseconds <= INT64_MAX:
        raise ExpireTimeError(command)
    if not absolute:
        milliseconds += session.now
        if milliseconds > INT64_MAX:
            raise ExpireTimeError(command)
    return milliseconds


def future_deadline(session: Session, time: bytes, unit: int, absolute: bool, command: str) -> int:
    """Like `deadline`, and raises `ExpireTimeError` also for a time that is not positive."""
    if integer(time) <= 0:
        raise ExpireTimeError(command)
    return deadline(session, time, unit, absolute, command)


def expire_at(session: Session, key: bytes, deadline: int, *options: bytes) -> None:
    """Let an existing key go at a date in milliseconds, at once if that has passed; the log says it as a date."""
    session.db.expire_at(key, deadline)
    if session.db.has_passed(deadline):
        session.log(b"DEL", key)
    else:
        session.log(b"PEXPIREAT", key, b"%d" % deadline, *options)
