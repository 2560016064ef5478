"""Removes keys when more memory is used than `maxmemory` allows.

Which keys go is `maxmemory-policy`, as in Redis: a few keys are drawn (`maxmemory-samples`), those that look most
dispensable are remembered in a pool that outlasts the drawing, and the first of the pool goes.  With `volatile-ttl` the
order of the deadlines is known here, so the key that is nearest to its own goes, and no sample is needed.

No request waits long for it: so many keys go before the first request that finds the limit exceeded, the rest in bouts
when the reactor has time.  Meanwhile requests are served, as in Redis, and writes remove a little more than they add; a
write is refused only if nothing may go.
"""

from __future__ import annotations

from bisect import insort
from random import Random
from typing import Callable, Final, NamedTuple

from twisted_kv.settings.config import Settings
from twisted_kv.store.database import Database
from twisted_kv.store.usage import LastUse, Usage, UseCount
from twisted_kv.vocabulary.clock import Now

KEYS_AT_ONCE: Final = 64
"""Keys removed in a bout; some 1.7 ms with five samples for each, 0.4 ms without samples, on CPython 3.11."""
MOST_AT_ONCE: Final = 512
"""The same while one bout follows another: each may be twice as long, up to this."""
KEYS_FOR_A_WRITE: Final = 2
"""Keys removed before a write while bouts are under way: more than it adds."""

POOL: Final = 16
"""Candidates that are remembered, as in Redis."""


class Candidate(NamedTuple):
    """A key that may go; the last in order goes first."""

    idleness: int
    number: int
    key: bytes


class Eviction:
    """Keeps the databases of one cache within `maxmemory`.

    `soon` has something called when the reactor has time; it gives False if there is no reactor to do it.
    """

    def __init__(
        self,
        settings: Settings,
        now: Now,
        databases: list[Database],
        random: Random,
        soon: Callable[[Callable[[], None]], bool],
    ) -> None:
        self._settings = settings
        self._now = now
        self._databases = databases
        self._random = random
        self._soon = soon
        self._portion = 0  # keys that go in the bout that is due; 0 if none is
        self._pool: list[Candidate] = []
        self._turn = 0  # the database that a random key goes from next
        self.policy_changed()

    def stop(self) -> None:
        """Forget the bout that is due: nobody will call for it."""
        self._portion = 0

    def track_use(self) -> None:
        """Begin to keep account of when keys are used, though no policy asks for it."""
        usage = LastUse(self._now)
        for database in self._databases:
            database.usage = usage

    def policy_changed(self) -> None:
        """Begin to keep account of the use of keys, or end it, as the policy asks for."""
        policy = self._settings.maxmemory_policy
        usage: Usage | None = None
        if policy.endswith("-lru"):
            usage = LastUse(self._now)
        elif policy.endswith("-lfu"):
            usage = UseCount(self._now, self._settings, self._random)
        for database in self._databases:
            database.usage = usage
        self._pool.clear()

    @property
    def is_over(self) -> bool:
        """Whether more is used than may be."""
        limit = self._settings.maxmemory
        return bool(limit) and sum([database.memory for database in self._databases]) > limit

    def make_room(self, for_write: bool) -> bool:
        """Have keys removed before a request if more is used than may be; False if a write has to be refused."""
        if not self.is_over:
            return True
        if not self._portion:
            return self._evict(KEYS_AT_ONCE) or not for_write
        return self._evict(KEYS_FOR_A_WRITE) if for_write else True

    def _evict(self, most: int) -> bool:
        """Remove keys until no more is used than may be, or so many; False if it takes more, and nothing may go."""
        for _ in range(most):
            if not self._evict_one():
                return False
            if not self.is_over:
                return True
        if not self._portion and self._soon(self._go_on):
            self._portion = most
        return True

    def _go_on(self) -> None:
        """Remove the next portion, and a larger one after it if that was not enough."""
        portion, self._portion = self._portion, 0
        self._now.stale = True
        if self.is_over:
            self._evict(min(2 * portion, MOST_AT_ONCE))

    def _evict_one(self) -> bool:
        """Remove the key that the policy names; False if there is none."""
        policy = self._settings.maxmemory_policy
        if policy == "volatile-ttl":
            return self._evict_nearest()
        if policy.endswith("-random"):
            return self._evict_random(policy == "volatile-random")
        if policy == "noeviction":
            return False
        return self._evict_most_idle(policy.startswith("volatile-"))

    def _evict_nearest(self) -> bool:
        expiries = [database.expiry for database in self._databases if database.expiry]
        if not expiries:
            return False
        nearest = min(expiries, key=lambda expiry: expiry.next_deadline() or 0)
        database = next(each for each in self._databases if each.expiry is nearest)
        key = nearest.next_key()
        assert key is not None
        database.evict(key)
        return True

    def _evict_random(self, volatile: bool) -> bool:
        """Remove any key; the databases take turns, as in Redis."""
        for _ in self._databases:
            database = self._databases[self._turn]
            self._turn = (self._turn + 1) % len(self._databases)
            key = database.draw(volatile=volatile)
            if key is not None:
                database.evict(key)
                return True
        return False

    def _evict_most_idle(self, volatile: bool) -> bool:
        found = False
        for database in self._databases:
            found |= self._draw(database, volatile)
        while self._pool:
            candidate = self._pool.pop()
            database = self._databases[candidate.number]
            if database.holds(candidate.key, volatile=volatile):
                database.evict(candidate.key)
                return True
        # All that were drawn are gone meanwhile: what was found now is gone only if it was drawn twice.
        return found

    def _draw(self, database: Database, volatile: bool) -> bool:
        """Put a few keys of a database into the pool, if they are more dispensable than those there."""
        usage = database.usage
        assert usage is not None  # of a policy that has come here
        if not (database.expiry if volatile else len(database)):
            return False
        for _ in range(min(self._settings.maxmemory_samples, len(database))):
            key = database.draw(volatile=volatile)
            assert key is not None
            candidate = Candidate(usage.idleness(database.mark(key)), database.index, key)
            if (len(self._pool) < POOL or candidate > self._pool[0]) and candidate not in self._pool:
                insort(self._pool, candidate)
                del self._pool[:-POOL]
        return True
