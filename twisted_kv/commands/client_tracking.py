"""CLIENT TRACKING: tells clients that keep values of ours which keys have changed."""

from __future__ import annotations

from collections import deque
from typing import Any, Dict, Sequence

from sortedcontainers import SortedDict

from twisted_kv.commands.clients import clients
from twisted_kv.declaring.arguments import Arguments, integer
from twisted_kv.declaring.commands import Lasting
from twisted_kv.sessions.session import Session
from twisted_kv.sessions.tracked import Tracked
from twisted_kv.vocabulary.errors import SYNTAX, CommandError, c_string, c_text
from twisted_kv.vocabulary.replies import OK, OrderedSet, Reply

_OWN = "noscript loading stale"


@clients.command(
    "CLIENT TRACKING",
    since="6.0.0",
    flags=_OWN,
    complexity="O(1). Some options may introduce additional complexity.",
    lasting=Lasting.CONNECTION,
)
def client_tracking(session: Session, mode: bytes, *words: bytes) -> Reply:
    """Tell this connection, or another one, when keys change that it has read, or that begin with prefixes."""
    tracked, prefixes = _parse(session, words)
    switch = c_string(mode).lower()
    if switch == b"off":
        session.server.services.tracking.end(session)
        return OK
    if switch != b"on":
        raise CommandError(SYNTAX)
    _check(session.tracked, tracked, prefixes)
    if tracked.is_broadcast:
        _check_overlaps(prefixes, SortedDict() if session.tracked is None else session.tracked.prefixes)
        tracked.prefixes = SortedDict.fromkeys(prefixes or [b""])
    session.server.services.tracking.begin(session, tracked)
    return OK


def _parse(session: Session, words: Sequence[bytes]) -> tuple[Tracked, list[bytes]]:
    """Parse the options of CLIENT TRACKING; the prefixes are returned apart."""
    tracked = Tracked()
    prefixes: list[bytes] = []
    arguments = Arguments(words)
    while arguments:
        option = arguments.option()
        if option == b"REDIRECT" and arguments:
            if tracked.redirect:
                raise CommandError("A client can only redirect to a single other client")
            tracked.redirect = integer(arguments.word())
            if tracked.redirect not in session.server.sessions:
                raise CommandError("The client ID you want redirect to does not exist")
        elif option == b"BCAST":
            tracked.is_broadcast = True
        elif option == b"OPTIN":
            tracked.is_optin = True
        elif option == b"OPTOUT":
            tracked.is_optout = True
        elif option == b"NOLOOP":
            tracked.is_noloop = True
        elif option == b"PREFIX" and arguments:
            prefixes.append(arguments.word())
        else:
            raise CommandError(SYNTAX)
    return tracked, prefixes


def _check(old: Tracked | None, new: Tracked, prefixes: Sequence[bytes]) -> None:
    """Raise `CommandError` for options that do not go together, or that cannot be changed."""
    again = "before disabling tracking for this client, and then re-enabling it with a different mode."
    if prefixes and not new.is_broadcast:
        raise CommandError("PREFIX option requires BCAST mode to be enabled")
    if old is not None and old.is_broadcast != new.is_broadcast:
        raise CommandError(f"You can't switch BCAST mode on/off {again}")
    if new.is_broadcast and (new.is_optin or new.is_optout):
        raise CommandError("OPTIN and OPTOUT are not compatible with BCAST")
    if new.is_optin and new.is_optout:
        raise CommandError("You can't specify both OPTIN mode and OPTOUT mode")
    if old is not None and ((new.is_optin and old.is_optout) or (new.is_optout and old.is_optin)):
        raise CommandError(f"You can't switch OPTIN/OPTOUT mode {again}")


def _check_overlaps(given: Sequence[bytes], known: SortedDict[bytes, None]) -> None:
    """Raise `CommandError` for a prefix that another one begins with, or that begins with another one.

    It takes n log n steps: who asks with very many holds nobody up.
    """
    # Those that were given and not looked at yet, with their places.
    places: SortedDict[bytes, deque[int]] = SortedDict()
    for place, prefix in enumerate(given):
        places.setdefault(prefix, deque()).append(place)
    for prefix in given:
        existing = _overlapping(prefix, known)
        if existing:
            raise _overlaps(prefix, "an existing", existing[0])
        places[prefix].popleft()
        if not places[prefix]:
            del places[prefix]
        provided = _overlapping(prefix, places)
        if provided:
            raise _overlaps(prefix, "another provided", min(provided, key=lambda other: places[other][0]))


def _overlapping(prefix: bytes, others: SortedDict[bytes, Any]) -> list[bytes]:
    """Return those of the others that a prefix begins with, or that begin with it."""
    lengths = range(len(prefix)) if len(prefix) < len(others) else {len(other) for other in others}
    found = [prefix[:length] for length in lengths if length < len(prefix) and prefix[:length] in others]
    for other in others.islice(others.bisect_left(prefix)):
        if not other.startswith(prefix):
            break
        found.append(other)
    return found


def _overlaps(prefix: bytes, what: str, other: bytes) -> CommandError:
    return CommandError(
        f"Prefix '{c_text(prefix)}' overlaps with {what} prefix '{c_text(other)}'. "
        "Prefixes for a single client must not overlap."
    )


@clients.command("CLIENT CACHING", since="6.0.0", flags=_OWN, lasting=Lasting.CONNECTION)
def client_caching(session: Session, mode: bytes) -> Reply:
    """Have the keys of the next request remembered (YES, with OPTIN) or not (NO, with OPTOUT)."""
    tracked = session.tracked
    if tracked is None:
        raise CommandError(
            "CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled"
        )
    switch = c_string(mode).lower()
    if switch == b"yes" and not tracked.is_optin:
        raise CommandError("CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
    if switch == b"no" and not tracked.is_optout:
        raise CommandError("CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
    if switch not in (b"yes", b"no"):
        raise CommandError(SYNTAX)
    tracked.caching = True
    tracked.caching_is_used = session.transaction is not None  # it was queued: it holds until the transaction ends
    session.refresh()
    return OK


@clients.command("CLIENT GETREDIR", since="6.0.0", flags=_OWN, lasting=Lasting.SESSION)
def client_getredir(session: Session) -> Reply:
    """Return the ID of the connection that is told instead of this one: 0 for none, -1 without tracking."""
    return -1 if session.tracked is None else session.tracked.redirect


@clients.command("CLIENT TRACKINGINFO", since="6.2.0", flags=_OWN, lasting=Lasting.SESSION)
def client_trackinginfo(session: Session) -> Reply:
    """Return how the keys of this connection are tracked."""
    tracked = session.tracked
    flags: Dict[bytes, bool] = {b"off": True}
    if tracked is not None:
        flags = {
            b"on": True,
            b"bcast": tracked.is_broadcast,
            b"optin": tracked.is_optin,
            b"caching-yes": tracked.is_optin and tracked.caching,
            b"optout": tracked.is_optout,
            b"caching-no": tracked.is_optout and tracked.caching,
            b"noloop": tracked.is_noloop,
            b"broken_redirect": tracked.is_broken,
        }
    return {
        b"flags": OrderedSet(name for name, is_set in flags.items() if is_set),
        b"redirect": -1 if tracked is None else tracked.redirect,
        b"prefixes": [] if tracked is None else list(tracked.prefixes),
    }
