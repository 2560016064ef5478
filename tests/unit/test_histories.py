"""The checker of the kill trials: it accepts every moment of a history, and nothing else."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.authors import KINDS, Author
from tests.histories import History, Request, judge
from tests.kills import read_keyspace
from tests.models.keyspace import REFUSED, Entry, Keyspace
from tests.models.model import TICKET, Model
from twisted_kv.errors import CommandError
from twisted_kv.testing import MemoryCache

NEVER = float("inf")


def history(name: int, *requests: str, start: float = 0.0, answered: int = 1000) -> History:
    """A history of requests sent at every whole second; each of the first ones is answered half a second later.

    A draw is written `INCR ticket=7`, with what was drawn.
    """
    model, known = Model({}), History(name)
    for number, text in enumerate(requests):
        line, _, drawn = text.partition("=")
        words = tuple(line.encode().split())
        sent = start + number
        done = sent + 0.5 if number < answered else NEVER
        reply = model.run(words, known.span(Request(words, sent, done), 100))
        reply = CommandError("no") if reply is REFUSED else int(drawn) if drawn else reply
        known.requests.append(Request(words, sent, done, reply))
    return known


def after(known: History, length: int) -> Keyspace:
    """The keys after some requests of a history, as an exact server keeps them."""
    model = Model({})
    for request in known.requests[:length]:
        model.run(request.words, known.span(request, 100))
    return model.keys


def drawn(number: int) -> Keyspace:
    return {(0, TICKET): Entry(b"%d" % number)}


WRITES = history(
    0,
    "SET 0:a v1",
    "INCR 0:n",
    "HSET 0:h f v2 g v3",
    "SELECT 1",
    "SET 0:a v4 PX 5000000",
    "APPEND 0:a v5",
    "HSET 0:h f v6",
    "SELECT 0",
    "DEL 0:a",
    "INCR 0:n",
    answered=8,
)


# What is right


@pytest.mark.parametrize("length", range(len(WRITES.requests) + 1))
def test_every_prefix_is_accepted_and_its_shortest_length_told(length: int) -> None:
    [kept] = judge({}, [WRITES], after(WRITES, length), 100)
    assert kept == {4: 3, 8: 7}.get(length, length)  # a SELECT leaves no trace


def test_what_was_answered_in_time_must_be_in() -> None:
    assert judge({}, [WRITES], after(WRITES, 8), 100, moment=NEVER) == [8]
    assert judge({}, [WRITES], after(WRITES, 10), 100, moment=NEVER) == [10]
    assert judge({}, [WRITES], after(WRITES, 3), 100, moment=2.6) == [3]


def test_the_keys_of_before_are_built_upon() -> None:
    begin = {(0, b"0:n"): Entry(b"41"), (1, b"0:x"): Entry(b"v"), **drawn(7)}
    known = History(0, [Request((b"INCR", b"0:n"), 1, 2, 42)])
    assert judge(begin, [known], begin, 100) == [0]
    assert judge(begin, [known], {**begin, (0, b"0:n"): Entry(b"42")}, 100, NEVER) == [1]


def test_histories_of_several_connections_may_end_at_different_lengths() -> None:
    one, other = history(0, "INCR 0:n", "INCR 0:n"), history(1, "INCR 1:n", "INCR 1:n", start=0.1)
    assert judge({}, [one, other], {**after(one, 2), **after(other, 1)}, 100) == [2, 1]
    assert judge({}, [one, other], {**after(one, 1), **after(other, 2)}, 100) == [1, 2]


def test_a_date_is_right_if_the_request_was_done_between_its_sending_and_its_answer() -> None:
    known = History(0, [Request((b"SET", b"0:a", b"v", b"PX", b"1000"), 5.0, 6.0, b"OK")], epoch=1000)
    for date in (1_006_000, 1_006_500, 1_007_000):
        assert judge({}, [known], {(0, b"0:a"): Entry(b"v", (date, date + 3))}, 100) == [1]


def test_a_draw_that_was_not_answered_may_be_in() -> None:
    one, other = history(0, "INCR ticket=1", "INCR ticket=3"), history(1, "INCR ticket", answered=0)
    assert judge({}, [one, other], drawn(3), 100, NEVER) == [2, 0]
    assert judge({}, [one, other], drawn(1), 100) == [1, 0]


# What is wrong


def wrong(
    found: Keyspace, *histories: History, why: str, moment: float = -NEVER, begin: Keyspace | None = None
) -> None:
    with pytest.raises(AssertionError, match=why):
        judge(begin or {}, histories, found, 100, moment)


@pytest.mark.parametrize("length", [0, 1, 2, 5, 6])
def test_an_answered_write_that_is_lost_is_found(length: int) -> None:
    wrong(after(WRITES, length), WRITES, moment=NEVER, why="connection 0: request 8, 'SELECT 0', was answered in time")


def test_a_write_that_is_lost_before_others_that_are_kept_is_found() -> None:
    without = History(0, [*WRITES.requests[:1], *WRITES.requests[2:9]])
    wrong(after(without, 8), WRITES, why=r"no prefix of its 10 requests; 1 differ after \d+:\n  b'0:n' of database 0")


def test_two_writes_in_the_wrong_order_are_found() -> None:
    known = history(0, "SET 0:a v1", "INCR 0:n", "SET 0:a v2", "INCR 0:n")
    swapped = History(0, [known.requests[each] for each in (2, 1, 0, 3)])
    wrong(after(swapped, 4), known, why="as after no prefix")
    appended = history(0, "APPEND 0:a v1", "APPEND 0:a v2")
    wrong({(0, b"0:a"): Entry(b"v2v1")}, appended, why="as after no prefix")


def test_a_write_that_was_done_twice_is_found() -> None:
    known = history(0, "APPEND 0:a v1", "APPEND 0:a v2")
    wrong({(0, b"0:a"): Entry(b"v1v2v2")}, known, why="as after no prefix")
    known = history(0, "INCR 0:n", "INCR 0:n")
    wrong({(0, b"0:n"): Entry(b"3")}, known, why=r"after 2:\n.* \(b'3', None\), not \(b'2', None\)")


@pytest.mark.parametrize("fields", [{b"f": b"v1"}, {b"g": b"v2"}, {b"f": b"v1", b"g": b"v0"}, {}])
def test_a_torn_hset_is_found(fields: dict[bytes, bytes]) -> None:
    known = history(0, "HSET 0:h g v0", "HSET 0:h f v1 g v2")
    wrong({(0, b"0:h"): Entry(fields)}, known, why="as after no prefix")


def test_a_torn_mset_is_found() -> None:
    wrong({(0, b"0:a"): Entry(b"v1")}, history(0, "MSET 0:a v1 0:b v2"), why=r"after 1:\n  b'0:b' of database 0: None")


def test_a_value_that_never_was_is_found() -> None:
    wrong({**after(WRITES, 3), (0, b"0:a"): Entry(b"v9")}, WRITES, why="as after no prefix")
    wrong({**after(WRITES, 3), (0, b"0:h"): Entry(b"v1")}, WRITES, why="as after no prefix")


def test_a_key_that_nobody_wrote_is_found() -> None:
    wrong({**after(WRITES, 3), (2, b"0:a"): Entry(b"v1")}, WRITES, why="as after no prefix")
    wrong({**after(WRITES, 3), (0, b"1:a"): Entry(b"v1")}, WRITES, why="nobody wrote b'1:a'")
    wrong({**after(WRITES, 3), (0, b"temporary"): Entry(b"v1")}, WRITES, why="nobody wrote b'temporary'")


def test_a_removed_key_that_is_back_is_found() -> None:
    wrong({**after(WRITES, 10), (0, b"0:a"): Entry(b"v1")}, WRITES, why="as after no prefix")
    gone = history(0, "INCR 0:n")
    wrong({**after(gone, 1), (0, b"0:b"): Entry(b"v")}, gone, begin={}, why="as after no prefix")


def test_a_key_of_before_that_is_gone_is_found() -> None:
    wrong({}, history(0, "INCR 0:n"), begin={(0, b"0:x"): Entry(b"v")}, why="b'0:x' of database 0: None, not")


@pytest.mark.parametrize("expires", [None, (1_005_000, 1_005_800), (1_007_200, 1_007_300)])
def test_an_expiry_that_is_lost_or_moved_is_found(expires: tuple[int, int] | None) -> None:
    known = History(0, [Request((b"SET", b"0:a", b"v", b"PX", b"1000"), 5.0, 6.0, b"OK")], epoch=1000)
    wrong({(0, b"0:a"): Entry(b"v", expires)}, known, why="as after no prefix")


def test_an_expiry_that_should_be_gone_is_found() -> None:
    known = history(0, "SET 0:a v PX 5000000", "PERSIST 0:a", "INCR 0:n")
    wrong({**after(known, 3), (0, b"0:a"): Entry(b"v", (5_000_000, 5_000_000))}, known, why="as after no prefix")


def test_a_wrong_answer_is_found() -> None:
    known = history(0, "INCR 0:n", "INCR 0:n")
    known.requests[1].reply = 1
    wrong(after(known, 2), known, why="request 2, 'INCR 0:n', was answered 1, not 2")
    known.requests[1].reply = CommandError("no")
    wrong(after(known, 2), known, why="was answered CommandError")


def test_a_write_without_what_was_answered_before_it_was_sent_is_found() -> None:
    first, then = history(0, "INCR 0:n"), history(1, "INCR 1:n", start=0.6)
    assert judge({}, [first, then], {**after(first, 1), **after(then, 1)}, 100) == [1, 1]
    assert judge({}, [first, then], after(first, 1), 100) == [1, 0]
    why = "'INCR 0:n', was answered before request 1 of connection 1, 'INCR 1:n', was sent, which is in, and is lost"
    wrong(after(then, 1), first, then, why=why)


def test_order_is_held_over_three_connections() -> None:
    first, then = history(0, "INCR 0:n", "INCR 0:n"), history(1, "INCR 1:n", "INCR 1:n", start=1.6)
    last = history(2, "INCR 2:n", start=3.2)
    wrong({**after(first, 2), **after(then, 0), **after(last, 1)}, first, then, last, why="connection 1: request 2")
    wrong({**after(first, 1), **after(then, 2), **after(last, 1)}, first, then, last, why="connection 0: request 2")


def test_order_is_held_for_a_prefix_that_a_later_one_makes_longer() -> None:
    """Connection 1 may be read as 0 or 2 requests; connection 2 needs the 2, and these need connection 0."""
    first = history(0, "INCR 0:n")
    then = history(1, "SET 1:a v", "DEL 1:a", start=0.6)
    last = history(2, "INCR 2:n", start=2.2)
    assert judge({}, [first, then, last], {**after(first, 1), **after(last, 1)}, 100) == [1, 2, 1]
    wrong(after(last, 1), first, then, last, why="connection 0: request 1")


def test_a_number_that_is_drawn_and_not_in_is_found() -> None:
    known = history(0, "INCR ticket=1", "INCR 0:n")
    why = r"its keys are as after \[2\] of its 2 requests, and a number that is not in was drawn by request 1"
    wrong(after(known, 2), known, why=why)
    one, other = history(0, "INCR ticket=2", "INCR 0:n"), history(1, "INCR ticket=1", "INCR 1:n")
    wrong({**after(one, 2), **drawn(1)}, one, other, why=f"connection 0: {why}")
    known = history(0, "INCR ticket=1", "INCR ticket=2")
    wrong(drawn(1), known, moment=NEVER, why="request 2, 'INCR ticket', was answered in time")


def test_a_number_without_those_drawn_before_it_is_found() -> None:
    one, other = history(0, "INCR 0:n", "INCR ticket=1"), history(1, "INCR ticket=2", start=0.1)
    wrong(drawn(2), one, other, why="connection 0: request 2, 'INCR ticket', drew a number that is in, and is lost")


def test_a_number_that_nobody_drew_is_found() -> None:
    known = history(0, "INCR ticket=1")
    wrong(drawn(2), known, why="1 to 1 numbers of database 0 were drawn, and the last is 2")
    wrong({(0, TICKET): Entry({b"f": b"v"})}, known, why="never drawn from database 0")
    wrong(drawn(7), History(0), begin=drawn(8), why="8 to 8 numbers of database 0 were drawn, and the last is 7")


# The model and the author


@pytest.mark.parametrize("seed", range(5))
def test_the_model_agrees_with_the_cache(cache: MemoryCache, seed: int) -> None:
    draw = random.Random(seed)
    epoch = cache.clock.seconds()
    histories = [History(name, epoch=epoch) for name in range(3)]
    clients = [(cache.connect(), Author(name, random.Random(draw.random()), 5)) for name in range(3)]
    read = cache.connect()

    def ask(requests: Any) -> list[Any]:
        return [read.call(*words) for words in requests]

    for number in range(1500):
        client, author = clients[draw.randrange(3)]
        request = Request(author.request(), cache.clock.seconds() - epoch)
        cache.clock.advance(0.001)
        try:
            request.reply = client.call(*request.words)
        except CommandError as error:
            request.reply = error
        cache.clock.advance(0.001)
        request.answered = cache.clock.seconds() - epoch
        histories[clients.index((client, author))].requests.append(request)
        if number % 100 == 0:
            found = read_keyspace(ask, cache.clock.seconds)
            ended = request.answered + 0.0005
            assert judge({}, histories, found, ended, NEVER) == [len(each.requests) for each in histories]


def test_an_author_uses_all_kinds_and_is_seldom_refused() -> None:
    author, model, answers = Author(0, random.Random(1)), Model({}), []
    seen = set()
    for _ in range(3000):
        words = author.request()
        seen.add(words[0].decode())
        answers.append(model.run(words))
    assert seen == {"INCR" if kind in ("COUNT", "DRAW") else kind for kind in KINDS} | {"EXEC", "DISCARD"}
    assert answers.count(REFUSED) < 300
