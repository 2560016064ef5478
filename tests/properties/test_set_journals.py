"""Whatever is done with sets and sorted sets, doing again what was noted of it gives the same data."""

from __future__ import annotations

from typing import List, Tuple

from hypothesis import given

from tests.agreement.generated import Words, sequences
from tests.agreement.requests_sets import SETS, around, keys
from tests.agreement.requests_sorted_sets import ADDING, OPERATIONS, RANGES, SORTED_SETS
from twisted_kv.persistence.journal import Journal
from twisted_kv.testing import MemoryCache
from twisted_kv.vocabulary.errors import CommandError


@given(requests=sequences(ADDING, SETS, SORTED_SETS, RANGES, OPERATIONS, around(keys)))
def test_what_was_noted_of_sets_gives_the_same_data(requests: List[Words]) -> None:
    noted: List[Tuple[int, Words]] = []
    cache, other = (MemoryCache({"enable-debug-command": "yes"}) for _ in range(2))
    Journal(cache.service.dispatcher, noted.extend).open()
    for request in requests:
        try:
            if not request[0].upper().startswith(b"BZ"):
                cache.connect().call(*request)
        except CommandError as error:
            assert "internal" not in str(error)  # noqa: PT017 - most requests are refused, which is as it should be
    for index, words in noted:
        assert index == 0
        other.call(*words)
    assert cache.connect().call("DEBUG", "DIGEST") == other.connect().call("DEBUG", "DIGEST")
    for each in (cache, other):
        each.stop()
