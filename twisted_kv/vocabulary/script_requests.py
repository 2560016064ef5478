"""A script as a program uses it: it is given keys and arguments, and the requests are made of them."""

from __future__ import annotations

import hashlib
from typing import Any, Callable, List, Sequence, Union

from twisted.internet.defer import Deferred, ensureDeferred

from twisted_kv.vocabulary.errors import CommandError
from twisted_kv.vocabulary.replies import Reply

Word = Union[str, bytes, int, float]

Words = Sequence[Word]


class Script:
    """A script of a cache in this process: `cache.script(source)`.

    It is compiled at its first call.  `keys` are what it finds in KEYS, `args` what it finds in ARGV.
    """

    def __init__(
        self, call: Callable[..., Reply], request: Callable[..., Deferred[Reply]], source: str | bytes
    ) -> None:
        self._call = call
        self._request = request
        self.source = _encode(source)
        """The text of the script."""

    def call(self, keys: Words = (), args: Words = ()) -> Reply:
        """Run the script and return its reply value; raises as `CacheService.call` does."""
        return self._call("EVAL", self.source, *_arguments(keys, args))

    def request(self, keys: Words = (), args: Words = ()) -> Deferred[Reply]:
        """Run the script; the Deferred fires with its reply value, as that of `CacheService.request`."""
        return self._request("EVAL", self.source, *_arguments(keys, args))


class RemoteScript:
    """A script of a server: `client.script(source)`.

    The server is sent the SHA1 of the script, and its text only when it does not know it.
    """

    def __init__(self, request: Callable[..., Deferred[Reply]], source: str | bytes) -> None:
        self._request = request
        self.source = _encode(source)
        """The text of the script."""
        self.sha = hashlib.sha1(self.source, usedforsecurity=False).hexdigest()
        """Its SHA1, in hexadecimal digits."""

    def request(self, keys: Words = (), args: Words = ()) -> Deferred[Reply]:
        """Run the script; the Deferred fires with its reply value, and fails as that of `StreamClient.request`."""
        return ensureDeferred(self._run(_arguments(keys, args)))

    async def _run(self, arguments: Sequence[Word]) -> Any:
        try:
            return await self._request("EVALSHA", self.sha, *arguments)
        except CommandError as error:
            if error.code != "NOSCRIPT":
                raise
        return await self._request("EVAL", self.source, *arguments)


def _encode(source: str | bytes) -> bytes:
    return source.encode() if isinstance(source, str) else bytes(source)


def _arguments(keys: Words, args: Words) -> List[Word]:
    """Return what follows a script in its request; raises TypeError for a single word in place of a list."""
    for given in (keys, args):
        if isinstance(given, (str, bytes)):
            raise TypeError(f"keys and args are lists of words, not {given!r}")
    return [len(keys), *keys, *args]
