"""Turns the text of a log line into safe markup: colours become classes, every other control sequence is dropped."""

import re

from markupsafe import Markup, escape

_SEQUENCE = re.compile(r"\x1b(?:\[([0-9;]{0,40})m|\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
#: control signs but tab, bidirectional overrides, and the byte order mark: shown, never obeyed
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_COLOURS = frozenset({"31", "32", "33", "34", "35", "36"})
#: longest line that is shown whole
LONGEST = 4000


def ansi(text: str) -> Markup:
    """Return one line as markup; at most LONGEST signs of it."""
    left_out = len(text) - LONGEST
    pieces: list[str] = []
    classes = ""
    at = 0
    text = text[:LONGEST]
    for found in _SEQUENCE.finditer(text):
        pieces.append(_span(text[at : found.start()], classes))
        if found[1] is not None:
            classes = _classes(found[1], classes)
        at = found.end()
    pieces.append(_span(text[at:], classes))
    if left_out > 0:
        pieces.append(f"<small> … {left_out:,} more signs</small>")
    return Markup("".join(pieces))


def ansi_lines(text: str) -> Markup:
    """Return several lines as markup."""
    return Markup("\n").join(ansi(line) for line in text.split("\n"))


def visible(text: str) -> str:
    """Return the text with its control signs made visible."""
    return _HIDDEN.sub(lambda found: _picture(found[0]), text)


def _picture(sign: str) -> str:
    code = ord(sign)
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else "�"


def _span(text: str, classes: str) -> str:
    if not text:
        return ""
    safe = str(escape(visible(text)))
    return f'<span class="{classes}">{safe}</span>' if classes else safe


def _classes(codes: str, before: str) -> str:
    kept = set(before.split())
    for code in codes.split(";"):
        if code in ("", "0"):
            kept = set()
        elif code == "1":
            kept.add("a1")
        elif code in _COLOURS:
            kept = {c for c in kept if c == "a1"} | {f"a{code}"}
        elif code == "39":
            kept = {c for c in kept if c == "a1"}
    return " ".join(sorted(kept))
