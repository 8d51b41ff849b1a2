"""Reads what a commit message says that its change depends on, and puts changes into the order of their merging.

The grammar is Zuul's: a line `Depends-On: WHAT`, anywhere in the message, in capitals or not, any number of them. WHAT
is the address of a change in this Gerrit, or a Change-Id. Addresses of other servers count for nothing here. Every line
is read once and no pattern can go back, so a hostile message costs no more than its length.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

_WORD = "depends-on:"
_KEY = re.compile(r"[Ii][0-9a-fA-F]{40}")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_PORTS = {"http": 80, "https": 443}
#: what people write around an address
_AROUND = "<>()[]\"'.,;:"
#: longest address that is looked at
_LONGEST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A change that a message names: by its number, or by its Change-Id."""

    number: int = 0
    #: `I` and forty digits, in small letters but the first; empty if it is named by number
    key: str = ""

    @property
    def words(self) -> str:
        """How a person would name it."""
        return self.key or f"change {self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Circle:
    """Changes that depend on each other: there is no order."""

    #: the changes on the way round, the first one again at the end
    changes: tuple[int, ...]


def depends_on(message: str, gerrits: Collection[str]) -> tuple[Named, ...]:
    """Return what a commit message names, each once, in the order of the message.

    `gerrits` are the addresses of this Gerrit's web interface.
    """
    places = [place for place in map(_place, gerrits) if place is not None]
    found: dict[Named, None] = {}
    for line in message.splitlines():
        if line[: len(_WORD)].casefold() != _WORD:
            continue
        words = line[len(_WORD) :].split(maxsplit=1)
        named = _named(words[0].strip(_AROUND), places) if words else None
        if named is not None:
            found[named] = None
    return tuple(found)


def in_order(first: int, needs: Mapping[int, Sequence[int]]) -> tuple[int, ...] | Circle:
    """Return all that a change needs, itself last: each after what it needs, and otherwise in the order that is told.

    `needs` says for each change what it needs itself; one that is not told of needs nothing.
    """
    done: dict[int, None] = {}
    way: list[int] = [first]
    on_way = {first}
    rest = [iter(needs.get(first, ()))]
    while way:
        following = next((one for one in rest[-1] if one not in done), None)
        if following is None:
            done[way[-1]] = None
            on_way.discard(way.pop())
            rest.pop()
        elif following in on_way:
            return Circle(changes=(*way[way.index(following) :], following))
        else:
            way.append(following)
            on_way.add(following)
            rest.append(iter(needs.get(following, ())))
    return tuple(done)


def _named(what: str, places: Sequence[tuple[str, str]]) -> Named | None:
    if _KEY.fullmatch(what):
        return Named(key=f"I{what[1:].lower()}")
    if len(what) > _LONGEST:
        return None
    place = _place(what)
    if place is None:
        return None
    host, path = place
    for known, folder in places:
        if host == known and path.startswith(folder):
            return _change_of(path[len(folder) :])
    return None


def _place(address: str) -> tuple[str, str] | None:
    """Return host with port, and path with the part after a `#` and a slash at the end; None if it is no address."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname:
        return None
    # the address of a change may say http where the server says https, as long as it names no port
    host = parts.hostname if port in (None, _PORTS[parts.scheme]) else f"{parts.hostname}:{port}"
    path = f"{parts.path}/{parts.fragment}" if parts.fragment.startswith("/") else parts.path
    return host, "/" + "".join(f"{part}/" for part in path.split("/") if part)


def _change_of(path: str) -> Named | None:
    """Return the change that a path below Gerrit's own names: 123, c/123, c/PROJECT/+/123, q/I0123…, each with more."""
    parts = [part for part in path.split("/") if part]
    if len(parts) > 1 and parts[0] == "q" and _KEY.fullmatch(parts[1]):
        return Named(key=f"I{parts[1][1:].lower()}")
    if parts and parts[0] == "c":
        parts = parts[parts.index("+") + 1 :] if "+" in parts else parts[1:]
    return Named(number=int(parts[0])) if parts and _NUMBER.fullmatch(parts[0]) else None
