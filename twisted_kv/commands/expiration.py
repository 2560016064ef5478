"""Deadlines from options and arguments: relative or absolute times, in seconds or milliseconds."""

from __future__ import annotations

from twisted_kv.declaring.arguments import integer
from twisted_kv.sessions.session import Session
from twisted_kv.vocabulary.errors import ExpireTimeError
from twisted_kv.vocabulary.numbers import INT64_MAX, INT64_MIN

TIME_OPTIONS = {b"EX": (1000, False), b"PX": (1, False), b"EXAT": (1000, True), b"PXAT": (1, True)}
"""By option: milliseconds per unit, and whether the time is absolute."""


def deadline(session: Session, time: bytes, unit: int, absolute: bool, command: str) -> int:
    """Convert a time to a deadline in milliseconds, possibly in the past; raises `ExpireTimeError` if that overflows.

    `unit` is the number of milliseconds in one unit of `time`; `command` is the name for the error.
    """
    return _deadline(session, integer(time), unit, absolute, command)


def future_deadline(session: Session, time: bytes, unit: int, absolute: bool, command: str) -> int:
    """Like `deadline`, but also raises `ExpireTimeError` for a time that is not positive."""
    amount = integer(time)
    if amount <= 0:
        raise ExpireTimeError(command)
    return _deadline(session, amount, unit, absolute, command)


def _deadline(session: Session, amount: int, unit: int, absolute: bool, command: str) -> int:
    milliseconds = amount * unit
    if not INT64_MIN <= milliseconds <= INT64_MAX:
        raise ExpireTimeError(command)
    if not absolute:
        milliseconds += session.now
        if milliseconds > INT64_MAX:
            raise ExpireTimeError(command)
    return milliseconds


def expire_at(session: Session, key: bytes, deadline: int, *options: bytes) -> None:
    """Set the deadline of an existing key, in milliseconds; deletes the key at once if that has passed.

    The journal records an absolute date.
    """
    session.db.expire_at(key, deadline)
    if session.db.has_passed(deadline):
        session.journal(b"DEL", key)
    else:
        session.journal(b"PEXPIREAT", key, b"%d" % deadline, *options)
