"""The checker of the kill trials: it accepts every moment of a history, and nothing else."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.generated.histories import History, Request, judge
from tests.generated.models.keyspace import REFUSED, Entry, Keyspace, Pending, Ranked, Streamed
from tests.generated.models.model import TICKET, Model
from tests.servers.authors import KINDS, Author
from tests.servers.kills import read_keyspace
from twisted_kv.testing import MemoryCache
from twisted_kv.vocabulary.errors import CommandError

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


# All types


def entry(value: Any, database: int = 0, key: bytes = b"0:a") -> Keyspace:
    return {(database, key): Entry(value)}


def assert_torn(known: History, *founds: Keyspace) -> None:
    """Assert that each prefix is accepted, and nothing else that is given."""
    for length in range(len(known.requests) + 1):
        [kept] = judge({}, [known], after(known, length), 100)
        assert after(known, kept) == after(known, length)
    for found in founds:
        wrong(found, known, why="as after no prefix")


def test_a_list_that_has_lost_doubled_or_swapped_an_element_is_found() -> None:
    known = history(0, "RPUSH 0:a v1", "RPUSH 0:a v2 v3", "LPOP 0:a", "LPUSH 0:a v4")
    rows = [b"v1 v2", b"v2", b"v3 v2", b"v2 v3 v4", b"v4 v3", b"v1 v2 v3 v2 v3", b"v4 v4 v2 v3"]
    assert_torn(known, *(entry(row.split()) for row in rows))


def test_an_element_that_is_nowhere_or_twice_after_a_move_is_found() -> None:
    known = history(0, "RPUSH 0:a v1 v2", "LMOVE 0:a 0:b LEFT RIGHT", "RENAME 0:b 0:c")
    kept = entry([b"v2"])
    assert_torn(
        known, kept, {**entry([b"v1", b"v2"]), **entry([b"v1"], 0, b"0:b")}, {**kept, **entry([b"v2"], 0, b"0:c")}
    )


def test_a_set_with_other_members_is_found() -> None:
    known = history(0, "SADD 0:a m1 m2", "SREM 0:a m1", "SADD 0:a m3")
    assert_torn(known, entry({b"m1"}), entry({b"m1", b"m2", b"m3"}), entry({b"m3"}), entry([b"m2"]))


def test_members_that_the_server_chose_are_known_by_its_answer_and_by_what_was_found() -> None:
    known = history(0, "SADD 0:a m1 m2 m3")
    known.requests.append(Request((b"SPOP", b"0:a", b"2"), 5))
    for left in (b"m1", b"m2", b"m3"):
        assert judge({}, [known], entry({left}), 100) == [2]
    wrong(entry({b"m1", b"m2"}), known, why="as after no prefix")
    known.requests[1] = Request((b"SPOP", b"0:a", b"2"), 5, 6, [b"m1", b"m3"])
    assert judge({}, [known], entry({b"m2"}), 100, NEVER) == [2]
    wrong(entry({b"m1"}), known, why="as after no prefix")
    known.requests[1].reply = [b"m1", b"m4"]
    wrong(entry({b"m2"}), known, why="was answered")


def test_a_sorted_set_with_another_score_is_found() -> None:
    known = history(0, "ZADD 0:a CH 1 m1 2 m2 3 m3", "ZINCRBY 0:a 2.5 m1", "ZREMRANGEBYSCORE 0:a 2 3", "ZPOPMIN 0:a 1")
    scores = [{b"m1": 1.0}, {b"m1": 3.5, b"m2": 2.0}, {b"m1": 6.0}, {b"m1": 1.0, b"m2": 2.0, b"m3": 3.5}]
    assert_torn(known, *(entry(Ranked(each)) for each in scores))


def test_a_long_string_with_another_bit_is_found() -> None:
    known = history(0, "SETRANGE 0:a 70000 v1", "SETBIT 0:a 3 1", "APPEND 0:a v2", "SETBIT 0:a 600000 1")
    right = after(known, 4)[0, b"0:a"].value
    assert isinstance(right, bytes)
    assert_torn(known, entry(right[:-1]), entry(right[:75_000] + b"\0"), entry(b"\0" + right[1:]))


READ = history(
    0,
    "XGROUP CREATE 0:a g 0 MKSTREAM",
    "XADD 0:a 1-* f v1",
    "XADD 0:a MAXLEN 2 1-* f v2",
    "XREADGROUP GROUP g bob COUNT 2 STREAMS 0:a >",
    "XCLAIM 0:a g alice 0 1-0",
    "XACK 0:a g 1-1",
    "XDEL 0:a 1-1",
)


def changed(stream: Streamed, **parts: Any) -> Streamed:
    """Give a stream whose group is another in some parts, or which is another itself."""
    own = {name: parts.pop(name) for name in list(parts) if name in Streamed._fields}
    return stream._replace(groups={b"g": stream.groups[b"g"]._replace(**parts)})._replace(**own)


@pytest.mark.parametrize(
    ("length", "parts"),
    [
        (4, {"pending": {}}),
        (4, {"last": (0, 0)}),
        (4, {"consumers": frozenset()}),
        (4, {"entries": {}}),
        (5, {"pending": {(1, 0): Pending(b"alice", (4000, 5000), 1), (1, 1): Pending(b"bob", (3000, 4000), 1)}}),
        (5, {"pending": {(1, 0): Pending(b"bob", (4000, 5000), 2), (1, 1): Pending(b"bob", (3000, 4000), 1)}}),
        (5, {"pending": {(1, 0): Pending(b"alice", (9000, 9000), 2), (1, 1): Pending(b"bob", (3000, 4000), 1)}}),
        (7, {"entries": {(1, 0): (b"f", b"v1"), (1, 1): (b"f", b"v2")}, "deleted": (1, 1)}),
        (7, {"added": 1}),
        (7, {"groups": {}}),
    ],
)
def test_a_stream_that_is_another_in_any_part_is_found(length: int, parts: dict[str, Any]) -> None:
    assert_torn(READ)
    stream = after(READ, length)[0, b"0:a"].value
    assert isinstance(stream, Streamed)
    wrong(entry(changed(stream, **parts)), READ, why="as after no prefix")


def test_an_entry_that_the_server_named_is_known_by_its_answer_and_by_what_was_found() -> None:
    known = History(0, [Request((b"XADD", b"0:a", b"*", b"f", b"v"), 5)])
    for named in ((5000, 0), (50_000, 7)):
        assert judge({}, [known], entry(Streamed({named: (b"f", b"v")}, named, (0, 0), 1, {})), 100) == [1]
    wrong(entry(Streamed({(4000, 0): (b"f", b"v")}, (4000, 0), (0, 0), 1, {})), known, why="as after no prefix")
    known.requests[0].answered, known.requests[0].reply = 6, b"5000-1"
    wrong(entry(Streamed({(5000, 0): (b"f", b"v")}, (5000, 0), (0, 0), 1, {})), known, why="as after no prefix")


# Several keys at once


TOGETHER = history(
    0,
    "SET 0:a v0",
    "MULTI",
    "SET 0:a v1",
    "SELECT 1",
    "RPUSH 0:b v2",
    "SADD 0:c m",
    "EXEC",
    "MULTI",
    "DEL 0:b 0:c",
    "EXEC",
)


def test_a_transaction_of_which_a_part_is_missing_is_found() -> None:
    before, whole = after(TOGETHER, 1), after(TOGETHER, 7)
    assert_torn(TOGETHER, {**whole, **before}, *({**whole, place: each} for place, each in before.items()))
    for place in whole:
        wrong({key: held for key, held in whole.items() if key != place}, TOGETHER, why="as after no prefix")


def test_a_transaction_is_in_from_its_end_on() -> None:
    assert judge({}, [TOGETHER], after(TOGETHER, 7), 100, moment=7) == [7]
    assert judge({}, [TOGETHER], after(TOGETHER, 1), 100, moment=6) == [6]
    wrong(after(TOGETHER, 1), TOGETHER, moment=NEVER, why="'EXEC', was answered in time, and is lost")


def test_a_transaction_that_was_discarded_and_yet_done_is_found() -> None:
    known = history(0, "MULTI", "SET 0:a v1", "DISCARD", "SET 0:b v2")
    assert_torn(known, entry(b"v1"), {**entry(b"v1"), **entry(b"v2", 0, b"0:b")})


def test_a_number_that_a_transaction_drew_tells_that_it_is_in() -> None:
    known = history(0, "MULTI", "INCR ticket", "EXEC", "INCR 0:n")
    known.requests[2].reply = [1]
    assert judge({}, [known], drawn(1), 100) == [3]
    assert judge({}, [known], {}, 100) == [0]
    wrong({(0, b"0:n"): Entry(b"1")}, known, why="a number that is not in was drawn by request 3")


def test_a_request_that_has_waited_comes_behind_what_let_it_go_on() -> None:
    known = history(0, "RPUSH 0:a v1 v2", "BLMOVE 0:a 0:b LEFT RIGHT 0", "BLPOP 0:a 0", "INCR 0:n")
    assert_torn(known, entry([b"v1"]), entry([b"v1"], 0, b"0:b") | entry([b"v1", b"v2"]), entry([b"v2"]))
    wrong(after(known, 2), known, moment=NEVER, why="'BLPOP 0:a 0', was answered in time|'INCR 0:n', was answered in")


def test_databases_that_were_swapped_by_half_are_found() -> None:
    known = history(0, "SET 0:a v1", "COPY 0:a 0:a DB 1", "SET 0:a v2", "SWAPDB 0 1", "MOVE 0:a 2", "FLUSHDB")
    half = [entry(b"v2") | entry(b"v2", 1), entry(b"v1", 2) | entry(b"v2", 1) | entry(b"v1")]
    assert_torn(known, *half)


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
    longest = length = 0
    last = b""
    for _ in range(3000):
        words = author.request()
        length = length + 1 if words[0] == last else 1
        longest, last = max(longest, length), words[0]
        seen.add(words[0].decode())
        answers.append(model.run(words))
    assert seen == {"INCR" if kind in ("COUNT", "DRAW") else kind for kind in KINDS if kind != "RUN"} | {
        "EXEC",
        "DISCARD",
    }
    assert longest >= 12
    assert answers.count(REFUSED) < 300
