"""Streams that do not agree with themselves, as RESTORE lets in: whatever is asked of them, there is a plain answer."""

from __future__ import annotations

from typing import Any, List, Tuple

from hypothesis import example, given
from hypothesis import strategies as st

from tests.agreement.test_untallied_streams import LOWERED, WRITES, payloads
from twisted_kv.testing import MemoryCache

HUNDRED: List[Tuple[Any, ...]] = [("XADD", "k", f"5-{number}", "f", "v") for number in range(1, 101)]
REPLACED = [
    *HUNDRED, ("XDEL", "k", "5-100"), ("XTRIM", "k", "MINID", "5-100"), ("XSETID", "k", "5-0"),
    ("XADD", "k", "5-1", "f", "v"), ("XADD", "k", "5-2", "f", "v"), ("XDEL", "k", "5-1"), ("XREVRANGE", "k", "+", "-"),
]  # fmt: skip


@given(payload=payloads(), script=st.lists(WRITES, max_size=13))
@example(payload=b"", script=[*LOWERED, ("XADD", "k", "5-2", "f", "v"), ("XADD", "k", "6-1", "f", "v")])
@example(payload=b"", script=[*LOWERED[:3], ("XTRIM", "k", "MINID", "6-0"), ("XSETID", "k", "1-1")])
@example(payload=b"", script=REPLACED)
def test_nothing_is_an_internal_error_and_memory_is_given_back(payload: bytes, script: List[Tuple[Any, ...]]) -> None:
    with MemoryCache() as cache:
        client = cache.connect()
        client.request("RESTORE", "k", 0, payload).addErrback(lambda failure: None)
        for request in [*script, ("DUMP", "k"), ("COPY", "k", "copy"), ("DEL", "k", "copy")]:
            failures: List[Any] = []
            client.request(*request).addErrback(failures.append)
            assert not any("internal error" in str(failure.value) for failure in failures), request
        cache.clock.advance(1)
        assert cache.service.dispatcher.server.databases[0].memory == 0
