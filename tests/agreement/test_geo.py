"""Places are where Redis puts them, and found in the order in which it finds them."""

from __future__ import annotations

from random import Random
from typing import Sequence

import pytest
from hypothesis import given

from .digests import play, play_and_count
from .generated import Words, protocols, sequences, thorough
from .requests_geo import GEO, OTHERS
from .servers import BothServers

pytestmark = [pytest.mark.peer, pytest.mark.timeout(900)]


@thorough
@given(requests=sequences(GEO, OTHERS), resp=protocols)
def test_places_agree_with_redis(servers: BothServers, requests: Sequence[Words], resp: int) -> None:
    play(servers, requests, resp)


@given(requests=sequences(GEO, OTHERS, most=10), resp=protocols)
def test_the_same_requests_change_something(servers: BothServers, requests: Sequence[Words], resp: int) -> None:
    play_and_count(servers, requests, resp)


def place(random: Random) -> tuple[float, float]:
    """Give any place; many are where it is difficult."""
    longitude = random.choice([random.uniform(-180, 180), random.uniform(179.9, 180), random.uniform(-180, -179.9)])
    latitude = random.choice(
        [random.uniform(-85.05, 85.05), random.uniform(85, 85.0511), random.uniform(-85.0511, -85), 0.0]
    )
    return longitude, latitude


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.every(4)
def test_what_is_found_and_in_which_order_is_the_same(both: BothServers, seed: int) -> None:
    random = Random(seed)
    for number in range(300):
        both.call("GEOADD", "places", *place(random), f"place{number}")
    for _ in range(200):
        kilometres = 10 ** random.uniform(-1, 4.7)
        shape = random.choice(
            [("BYRADIUS", kilometres, "km"), ("BYBOX", kilometres, 10 ** random.uniform(-1, 4.7), "km")]
        )
        limit = random.choice([(), (), ("COUNT", random.randint(1, 20), "ANY"), ("COUNT", random.randint(1, 20))])
        order = random.choice([(), (), ("ASC",), ("DESC",)])
        centre = random.choice([("FROMLONLAT", *place(random)), ("FROMMEMBER", f"place{random.randrange(300)}")])
        both.call("GEOSEARCH", "places", *centre, *shape, "WITHDIST", "WITHHASH", "WITHCOORD", *limit, *order)
    both.compare_data()
