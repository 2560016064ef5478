"""Strings that are changed in place are strings like others to every command; and LCS finds what Redis finds."""

from __future__ import annotations

from typing import Sequence

import pytest
from hypothesis import given

from .digests import play, play_and_count
from .generated import Words, protocols, sequences, thorough
from .requests_long_strings import LONG_STRINGS, SEEN_BY_OTHERS, SUBSEQUENCES
from .servers import BothServers

pytestmark = [pytest.mark.peer, pytest.mark.timeout(900)]


@given(requests=sequences(LONG_STRINGS, SEEN_BY_OTHERS), resp=protocols)
def test_long_strings_agree_with_redis(servers: BothServers, requests: Sequence[Words], resp: int) -> None:
    play(servers, requests, resp)


@given(requests=sequences(LONG_STRINGS, SEEN_BY_OTHERS, most=10), resp=protocols)
def test_the_same_requests_change_something(servers: BothServers, requests: Sequence[Words], resp: int) -> None:
    play_and_count(servers, requests, resp)


@thorough
@given(requests=sequences(SUBSEQUENCES, most=10), resp=protocols)
def test_common_subsequences_agree_with_redis(servers: BothServers, requests: Sequence[Words], resp: int) -> None:
    play(servers, requests, resp)
