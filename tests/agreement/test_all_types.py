"""Sequences of requests of all types at once, on the same few keys, agree with Redis."""

from __future__ import annotations

from typing import Sequence

import pytest
from hypothesis import given

from . import (
    requests_bitmaps,
    requests_generic,
    requests_geo,
    requests_hashes,
    requests_hyperloglogs,
    requests_lists,
    requests_sets,
    requests_sorted_sets,
    requests_streams,
)
from .digests import play
from .generated import GENERIC, HASHES, STRINGS, Words, protocols, sequences, thorough
from .servers import BothServers

pytestmark = [pytest.mark.peer, pytest.mark.timeout(7200)]

ALL = (
    STRINGS,
    GENERIC,
    HASHES,
    requests_generic.KEYS_OF_ANY_TYPE,
    requests_hashes.HASHES_ALSO,
    requests_lists.LISTS,
    requests_sets.SETS,
    requests_sorted_sets.SORTED_SETS,
    requests_sorted_sets.RANGES,
    requests_sorted_sets.OPERATIONS,
    requests_bitmaps.BITMAPS,
    requests_hyperloglogs.HYPERLOGLOGS,
    requests_geo.GEO,
    requests_streams.ENTRIES,
    requests_streams.GROUPS,
)


@thorough
@given(requests=sequences(*ALL, most=40), resp=protocols)
def test_requests_of_all_types_agree_with_redis(servers: BothServers, requests: Sequence[Words], resp: int) -> None:
    play(servers, requests, resp)
