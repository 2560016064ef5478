"""The background work of a cache: removing expired keys, and releasing large values in small steps.

Both run on the one clock, a little at a time, so that requests are served in between.  Before `start` and after `stop`
nothing runs: an expired key is then removed when a request accesses it, and a discarded value is released at once.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Callable, Final, Iterable

from twisted_kv.engine.units import Units
from twisted_kv.store.database import Database
from twisted_kv.store.entries import COLLECTIONS, Releasable
from twisted_kv.vocabulary.clock import Now

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

VALUES_AT_ONCE: Final = 4096
"""Values released before requests are served again; less than 1 ms on CPython 3.11."""

LONGEST_SLEEP: Final = 10.0
"""Seconds until the deadlines are checked again in any case: the wall clock may be set forward."""

KEYS_AT_ONCE: Final = 128
"""Keys removed before requests are served again; about 0.7 ms on CPython 3.11."""
MOST_AT_ONCE: Final = 2048
"""The same while keys expire faster than they are removed: it is doubled up to this, about 11 ms."""


class Housekeeping:
    """Timers that remove expired keys and release discarded values."""

    def __init__(self, now: Now, units: Units) -> None:
        self._now = now
        self._units = units
        self._databases: list[Database] = []
        self._running = False
        self._expiring = True
        self._is_held = False  # no key may expire now
        self._expiry_call: IDelayedCall | None = None
        self._expiry_date = 0
        self._batch_size = KEYS_AT_ONCE
        self._soon_calls: dict[Callable[[], None], IDelayedCall] = {}
        self._discarded: deque[Releasable] = deque()

    def start(self, databases: Iterable[Database]) -> None:
        """Start the timers for some databases."""
        self._databases = list(databases)
        self._running = True
        self._schedule_expiry()

    def stop(self) -> None:
        """Cancel all timers."""
        self._running = False
        self._discarded.clear()
        for call in (self._expiry_call, *self._soon_calls.values()):
            if call is not None:
                call.cancel()
        self._expiry_call = None
        self._soon_calls.clear()

    def alarm(self, date: int) -> None:
        """Schedule expiry for a date in milliseconds since 1970, the nearest at which there is something to do."""
        if (
            not self._running
            or not self._expiring
            or self._is_held
            or (self._expiry_call is not None and self._expiry_date <= date)
        ):
            return
        if self._expiry_call is not None:
            self._expiry_call.cancel()
        self._expiry_date = date
        delay = min(self._now.until(date), LONGEST_SLEEP)
        self._expiry_call = self._now.clock.callLater(delay, self._expire)

    def set_active_expire(self, active: bool) -> None:
        """Set whether keys are removed as they expire, or only when a request accesses them."""
        self._expiring = active
        self._reschedule_expiry()

    def hold_keys(self, is_held: bool) -> None:
        """Set whether no key may expire for now."""
        self._is_held = is_held
        self._reschedule_expiry()

    def _reschedule_expiry(self) -> None:
        if self._expiry_call is not None:
            self._expiry_call.cancel()
            self._expiry_call = None
        self._schedule_expiry()

    def discard(self, value: Releasable) -> None:
        """Release a large value in small steps, as soon as there is time."""
        if not self._running:
            return
        self._discarded.append(value)
        self.soon(self._release)

    def soon(self, call: Callable[[], None]) -> bool:
        """Schedule one call for after the pending requests; return False if housekeeping is not running."""
        if self._running and call not in self._soon_calls:
            self._soon_calls[call] = self._now.clock.callLater(0, self._call, call)
        return self._running

    def _call(self, call: Callable[[], None]) -> None:
        del self._soon_calls[call]
        call()

    def _expire(self) -> None:
        self._expiry_call = None
        self._now.read()
        try:
            self._units.run_timer(self._remove_expired)
        finally:
            self._schedule_expiry()

    def _remove_expired(self) -> None:
        left = self._batch_size
        for database in self._databases:
            left -= database.expire_due(left)
            if left <= 0:
                break
        self._batch_size = min(2 * self._batch_size, MOST_AT_ONCE) if left <= 0 else KEYS_AT_ONCE
        # Begin with another database each time, so that one with many expiring keys cannot starve the rest.
        self._databases.append(self._databases.pop(0))

    def _schedule_expiry(self) -> None:
        dates = [database.expiry.next_date() for database in self._databases]
        nearest = min((date for date in dates if date is not None), default=None)
        if nearest is not None:
            self.alarm(nearest)

    def _release(self) -> None:
        left = VALUES_AT_ONCE
        while left > 0 and self._discarded:
            released = self._discarded[0].release()
            left -= 1
            if released is None:
                self._discarded.popleft()
                continue
            left -= len(released)
            # Nested values are released one by one, since a shard may hold hundreds of them.
            values = (each[0] if isinstance(each, tuple) else each for each in released)
            self._discarded.extend(value for value in values if isinstance(value, COLLECTIONS))
        if self._discarded:
            self.soon(self._release)
