"""HyperLogLogs have Redis's bytes and estimates, whatever was added, merged or damaged."""

from __future__ import annotations

from random import Random
from typing import Sequence

import pytest
from hypothesis import given

from .digests import play, play_and_count
from .generated import Words, protocols, sequences
from .replies import parse
from .requests_hyperloglogs import DENSE, HYPERLOGLOGS, OTHERS
from .servers import BothServers

pytestmark = [pytest.mark.peer, pytest.mark.timeout(900)]


@given(requests=sequences(HYPERLOGLOGS, OTHERS, most=12), resp=protocols)
def test_hyperloglogs_agree_with_redis(servers: BothServers, requests: Sequence[Words], resp: int) -> None:
    play(servers, requests, resp)


@given(requests=sequences(HYPERLOGLOGS, OTHERS, most=10), resp=protocols)
def test_the_same_requests_change_something(servers: BothServers, requests: Sequence[Words], resp: int) -> None:
    play_and_count(servers, requests, resp)


@pytest.mark.parametrize("most", [3, 200])
def test_a_growing_log_has_the_bytes_of_redis(both: BothServers, most: int) -> None:
    random = Random(most)
    for step in range(150 if most < 200 else 30):
        both.call("PFADD", "log", *(b"%x" % random.getrandbits(40) for _ in range(random.randint(1, most))))
        both.call("GET", "log")
        if step % 7 == 0:
            both.call("PFCOUNT", "log")
            both.call("GET", "log")


def test_a_log_becomes_dense_where_redis_makes_it_so(both: BothServers) -> None:
    for number in range(1800):
        both.call("PFADD", "log", number)
        if number % 10 == 0:
            both.call("GET", "log")
    assert both.call("PFDEBUG", "ENCODING", "log") == b"+dense\r\n"
    both.call("PFCOUNT", "log")
    both.call("PFSELFTEST")
    both.compare_data()


@pytest.mark.parametrize("seed", range(3))
def test_merged_logs_have_the_bytes_of_redis(both: BothServers, seed: int) -> None:
    random = Random(seed)
    both.call("SET", "dense", DENSE)
    for _ in range(12):
        for key in "abc":
            both.call("PFADD", key, *(random.getrandbits(11) for _ in range(random.randint(0, 250))))
        both.call("PFMERGE", random.choice(["x", "y", "a"]), *random.sample(["a", "b", "c", "nope", "x"], 3))
        for key in "axy":
            both.call("GET", key)
            both.call("PFCOUNT", key)
    both.call("PFMERGE", "x", "dense")
    both.call("GET", "x")


def test_logs_are_moved_from_one_server_to_the_other(both: BothServers) -> None:
    for count in (0, 10, 5000):
        words = "PFADD", f"log{count}", *range(count)
        both.call(*words)
        theirs, ours = (parse(reply)[0][1] for reply in both.both("DUMP", f"log{count}"))
        assert both.ask_ours("RESTORE", f"moved{count}", 0, theirs) == b"+OK\r\n"
        assert both.ask_real("RESTORE", f"moved{count}", 0, ours) == b"+OK\r\n"
        both.call("PFCOUNT", f"moved{count}")
    both.compare_data()


@pytest.mark.parametrize("value", [48, 49, 50, 51, 63])
def test_counts_that_hardly_fit_into_64_bits_agree_with_redis(both: BothServers, value: int) -> None:
    filled = sum(value << 6 * place for place in range(4)).to_bytes(3, "little") * 4096
    both.call("SET", "log", DENSE[:16] + filled)
    for words in (("PFCOUNT", "log"), ("PFCOUNT", "log", "nope"), ("GET", "log"), ("PFADD", "log", "a", "b")):
        both.call(*words)
    both.call("PFCOUNT", "log")
    both.call("GET", "log")
