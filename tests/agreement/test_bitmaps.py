"""The commands on bits answer as Redis does, and leave the same data."""

from __future__ import annotations

from typing import Sequence

import pytest
from hypothesis import given

from .digests import play, play_and_count
from .generated import Words, protocols, sequences, thorough
from .requests_bitmaps import BITMAPS, OTHERS
from .servers import BothServers

pytestmark = [pytest.mark.peer, pytest.mark.timeout(900)]


@thorough
@given(requests=sequences(BITMAPS, OTHERS), resp=protocols)
def test_bitmaps_agree_with_redis(servers: BothServers, requests: Sequence[Words], resp: int) -> None:
    play(servers, requests, resp)


@given(requests=sequences(BITMAPS, OTHERS, most=10), resp=protocols)
def test_the_same_requests_change_something(servers: BothServers, requests: Sequence[Words], resp: int) -> None:
    play_and_count(servers, requests, resp)
