"""How times, sizes, numbers and test names are written on every page.

What comes from a node goes through `escape` here or through Jinja's autoescape, and nowhere else into markup.
"""

import re
from datetime import UTC, datetime, timedelta

from markupsafe import Markup, escape

from xenci.store.tables import NodeRow

_DAY = timedelta(days=1)
#: longest name of a test that is shown whole
_LONGEST_NAME = 400
_ATTRIBUTES = re.compile(r"\[[^\[\]]*\]$")
_SET_UP = re.compile(r"^(setUpClass|tearDownClass|setUpModule|tearDownModule) \((.*)\)$")


def number(value: float) -> str:
    """`1,204`"""
    return f"{value:,.0f}"


def count(value: int, singular: str, plural: str | None = None) -> str:
    """`1 test`, `3 tests`, `no tests`"""
    noun = singular if value == 1 else (plural or singular + "s")
    return f"{number(value) if value else 'no'} {noun}"


def size(value: int) -> str:
    """`3 KB`, `4.1 MB`"""
    if value < 1000:
        return f"{value} bytes"
    amount = float(value)
    for unit in ("KB", "MB", "GB", "TB"):
        amount /= 1000
        if amount < 999.5 or unit == "TB":
            return f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:,.0f} {unit}"
    raise AssertionError("unreachable")


def money(value: float | None, currency: str = "") -> str:
    """`1,204.50`, `USD 1,204.50`, `no price` for None."""
    return "no price" if value is None else f"{currency} {value:,.2f}".lstrip()


def duration(value: timedelta | float | None) -> str:
    """`31 ms`, `2.4 s`, `82 s`, `3 min 41 s`, `2 h 15 min`, `4 days`; a dash for None."""
    if value is None:
        return "–"
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if seconds < 0:
        return "0 s"
    if seconds < 0.995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60:02d} s" if whole % 60 else "")
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60} h" + (f" {minutes % 60:02d} min" if minutes % 60 else "")
    return f"{minutes // 1440} days"


def stamp(at: datetime) -> str:
    """`19 Nov 2026 14:20 UTC`"""
    at = at.astimezone(UTC)
    return f"{at.day} {at:%b %Y %H:%M} UTC"


def clock_time(at: datetime) -> str:
    """`14:20:07`"""
    return f"{at.astimezone(UTC):%H:%M:%S}"


def time(at: datetime | None) -> Markup:
    """An absolute time in a `time` element."""
    if at is None:
        return Markup("<small>not yet</small>")
    return Markup('<time datetime="{}">{}</time>').format(at.astimezone(UTC).isoformat(timespec="seconds"), stamp(at))


def ago(at: datetime | None, now: datetime) -> Markup:
    """`12 min ago` for under a day, else the absolute time; `never` for None."""
    if at is None:
        return Markup("<small>never</small>")
    age = now - at
    if age >= _DAY or age < -timedelta(minutes=1):
        return time(at)
    words = "just now" if age < timedelta(seconds=2) else f"{_coarse(age)} ago"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        at.astimezone(UTC).isoformat(timespec="seconds"), stamp(at), words
    )


def _coarse(age: timedelta) -> str:
    seconds = int(age.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"


def versions(node: NodeRow) -> str:
    """The versions of Xen and libvirt that were proved on a node."""
    known = [str(node.facts[name])[:40] for name in ("xen_version", "libvirt_version") if node.facts.get(name)]
    return ", ".join(known) or "not proved"


def short(sha: str | None) -> str:
    """The first twelve digits of a commit."""
    return (sha or "")[:12]


def split_test(test_id: str) -> tuple[str, str]:
    """Return a test's method and the path of its class; a class's own set-up is its method."""
    name = _ATTRIBUTES.sub("", test_id[: 4 * _LONGEST_NAME])
    if found := _SET_UP.match(name):
        return found[1], found[2][:_LONGEST_NAME]
    path, _, method = name.rpartition(".")
    return method[:_LONGEST_NAME], path[:_LONGEST_NAME]


def test_name(test_id: str) -> Markup:
    """A test's name for `a.test`: the method in bold, its class small; may be broken after dots and underscores."""
    method, path = split_test(test_id)
    return Markup("<b>{}</b><span>{}</span>").format(_breakable(method), _breakable(path))


def _breakable(text: str) -> Markup:
    return Markup(re.sub(r"([._])", r"\1<wbr>", str(escape(text))))


def lines(text: str, *, limit: int) -> tuple[str, int]:
    """Return the last `limit` lines of a text, and how many were left out before them."""
    all_lines = text.rstrip("\n").split("\n")
    return "\n".join(all_lines[-limit:]), max(0, len(all_lines) - limit)
