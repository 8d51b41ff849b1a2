"""Reads fields out of JSON that others have written: Gerrit, somebody who speaks in its place, a node.

Any field may be missing or of another kind. Strings lose what PostgreSQL cannot keep (NUL, half surrogates); numbers
that no column could hold, such as an infinity, count as missing. Nothing here raises, but `clean`, which says so.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any

EPOCH = datetime.fromtimestamp(0, UTC)
_DEPTH = 40
_MOST = 2**31 - 1
#: the year 2200: a later time is a mistake
_LATEST = 7_258_118_400


def clean(value: Any, depth: int = 0) -> Any:
    """Return the same JSON with every string and number storable. Raises ValueError if it is nested too deeply."""
    if depth > _DEPTH:
        raise ValueError("nested too deeply")
    match value:
        case str():
            return storable(value)
        case float() if not isfinite(value):
            # 1e999 is JSON, and the database takes no infinity
            return None
        case dict():
            return {storable(key): clean(item, depth + 1) for key, item in value.items()}
        case list():
            return [clean(item, depth + 1) for item in value]
    return value


def storable(text: str) -> str:
    """Return the text without NULs and half surrogates."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def mapping(source: Any, key: str) -> Mapping[str, Any]:
    """Return the object at the key, or an empty one."""
    found = source.get(key) if isinstance(source, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def sequence(source: Any, key: str) -> list[Any]:
    """Return the list at the key, or an empty one."""
    found = source.get(key) if isinstance(source, Mapping) else None
    return found if isinstance(found, list) else []


def text(source: Mapping[str, Any], key: str) -> str:
    """Return the string at the key, or an empty one."""
    found = source.get(key)
    return found if isinstance(found, str) else ""


def number(source: Mapping[str, Any], key: str) -> int:
    """Return the positive number at the key, which older Gerrits write as a string; 0 if there is none."""
    found = source.get(key)
    if isinstance(found, str) and found.isascii() and found.isdecimal() and len(found) < 11:
        found = int(found)
    is_number = isinstance(found, int) and not isinstance(found, bool) and 0 < found <= _MOST
    return found if is_number and isinstance(found, int) else 0


def flag(source: Mapping[str, Any], key: str) -> bool:
    """Tell whether the key says true; Gerrit leaves out what is false."""
    return source.get(key) is True


def epoch(source: Mapping[str, Any], key: str) -> datetime | None:
    """Return the time at the key, in seconds since the epoch as the stream has it."""
    found = source.get(key)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found < _LATEST:
        return None
    return datetime.fromtimestamp(found, UTC)


def moment(source: Mapping[str, Any], key: str) -> datetime | None:
    """Return the time at the key, as REST has it: `2026-11-21 16:57:26.000000000`, UTC."""
    found = text(source, key)[:26]
    try:
        return datetime.fromisoformat(found).replace(tzinfo=UTC)
    except ValueError:
        return None
