"""Evicts keys when more memory is used than `maxmemory` allows.

`maxmemory-policy` selects the keys to evict, as in Redis: a few keys are sampled (`maxmemory-samples`), the best
candidates stay in a pool that outlasts the sample, and the first of the pool is evicted.  With `volatile-ttl` the keys
with the nearest deadlines are known here, and only those that are close together have to be sampled.

No request waits long for eviction: the first request that finds the limit exceeded evicts a limited number of keys, and
the rest are evicted in batches when the reactor has time.  Meanwhile requests are served, as in Redis, and writes evict
slightly more than they add; a write is refused only if no key may be evicted.
"""

from __future__ import annotations

from bisect import insort
from operator import itemgetter
from random import Random
from typing import Callable, Final, NamedTuple

from twisted_kv.engine.units import Units
from twisted_kv.settings.config import Settings
from twisted_kv.store.database import Database
from twisted_kv.store.usage import LastUse, Usage, UseCount
from twisted_kv.vocabulary.clock import Now

KEYS_AT_ONCE: Final = 64
"""Keys removed in a batch; about 1.7 ms with five samples for each, 0.4 ms without samples, on CPython 3.11."""
MOST_AT_ONCE: Final = 512
"""The same while one batch follows another: each may be twice as large as the one before, up to this."""
KEYS_FOR_A_WRITE: Final = 2
"""Keys removed before a write while batches are under way: more than it adds."""

POOL: Final = 16
"""Size of the pool of candidates, as in Redis."""


class Candidate(NamedTuple):
    """A key that may be evicted; the last in sort order is evicted first."""

    idleness: int
    number: int
    key: bytes


class Eviction:
    """Keeps the databases of one cache within `maxmemory`.

    `soon` schedules a call for when the reactor has time; it returns False if there is no reactor.
    """

    def __init__(
        self,
        settings: Settings,
        now: Now,
        databases: list[Database],
        random: Random,
        soon: Callable[[Callable[[], None]], bool],
        units: Units,
    ) -> None:
        self._units = units
        self._settings = settings
        self._now = now
        self._databases = databases
        self._random = random
        self._soon = soon
        self._batch_size = 0  # keys to evict in the scheduled batch; 0 if none is scheduled
        self._pool: list[Candidate] = []
        self.is_held = False
        """Whether no key may be evicted now."""
        self._turn = 0  # the database that the next random key is evicted from
        self.policy_changed()

    def stop(self) -> None:
        """Discard the scheduled batch, since it will not be called."""
        self._batch_size = 0

    def track_use(self) -> None:
        """Start tracking when keys are used, although no policy requires it."""
        usage = LastUse(self._now)
        for database in self._databases:
            database.usage = usage

    def policy_changed(self) -> None:
        """Start or stop tracking the use of keys, as the policy requires."""
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
        """Whether more memory is used than `maxmemory` allows."""
        limit = self._settings.maxmemory
        return bool(limit) and sum([database.memory for database in self._databases]) > limit

    def make_room(self, for_write: bool) -> bool:
        """Evict keys before a request if the limit is exceeded; return False if a write must be refused."""
        if not self.is_over or self.is_held:
            return True
        return self._units.run_timer(lambda: self._make_room(for_write))

    def _make_room(self, for_write: bool) -> bool:
        if not self._batch_size:
            return self._evict(KEYS_AT_ONCE) or not for_write
        return self._evict(KEYS_FOR_A_WRITE) if for_write else True

    def _evict(self, most: int) -> bool:
        """Evict at most so many keys, until the limit is met; return False if it is not and no key may be evicted."""
        for _ in range(most):
            if not self._evict_one():
                return False
            if not self.is_over:
                return True
        if not self._batch_size and self._soon(self._continue):
            self._batch_size = most
        return True

    def _continue(self) -> None:
        """Evict the next batch, twice as large as the last, if the limit is still exceeded."""
        batch_size, self._batch_size = self._batch_size, 0
        self._now.stale = True
        if self.is_over and not self.is_held:
            self._units.run_timer(lambda: self._evict(min(2 * batch_size, MOST_AT_ONCE)))

    def _evict_one(self) -> bool:
        """Evict the key that the policy selects; return False if there is none."""
        policy = self._settings.maxmemory_policy
        if policy == "volatile-ttl":
            return self._evict_nearest()
        if policy.endswith("-random"):
            return self._evict_random(policy == "volatile-random")
        if policy == "noeviction":
            return False
        return self._evict_most_idle(policy.startswith("volatile-"))

    def _evict_nearest(self) -> bool:
        found = [(nearest, each) for each in self._databases if (nearest := each.expiry.nearest()) is not None]
        if not found:
            return False
        (_, key), database = min(found, key=itemgetter(0))
        database.evict(key)
        return True

    def _evict_random(self, volatile: bool) -> bool:
        """Evict a random key; the databases take turns, as in Redis."""
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
        # All sampled keys are gone meanwhile: a key found just now is gone only if it was drawn twice.
        return found

    def _draw(self, database: Database, volatile: bool) -> bool:
        """Sample a few keys of a database into the pool, where they are better candidates than those there."""
        usage = database.usage
        assert usage is not None  # the policies that come here track use
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
