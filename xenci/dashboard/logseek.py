"""Finds places in an open log: a line by its number, a moment by its time, the lines with one of some words.

A log comes from a node and may be made to be slow to read: of newlines only, without any time, without any newline. So
newlines are counted a block at a time, words are searched in whole blocks, and a search for a time gives up.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import BinaryIO

from xenci.dashboard.loglines import time_of

_BLOCK = 1 << 20
#: of a longer line only so much is read
LONG = 1 << 16
#: lines and bytes that are looked through for one with a time
_FRUITLESS_LINES = 500
_FRUITLESS = 1 << 18


def is_text(file: BinaryIO) -> bool:
    """Tell whether a file's beginning has no zero octet; goes back to the beginning."""
    file.seek(0)
    head = file.read(4096)
    file.seek(0)
    return b"\0" not in head


def count_lines(file: BinaryIO, end: int) -> int:
    """Count the lines that begin before the offset `end`."""
    file.seek(0)
    lines = 0
    left = end
    last = b"\n"
    while left > 0 and (block := file.read(min(_BLOCK, left))):
        lines += block.count(b"\n")
        last = block[-1:]
        left -= len(block)
    return lines + (last != b"\n")


def seek_line(file: BinaryIO, number: int) -> None:
    """Go to the beginning of a line, from 1; to the end if there are fewer."""
    file.seek(0)
    wanted = number - 1
    base = 0
    while wanted > 0 and (block := file.read(_BLOCK)):
        have = block.count(b"\n")
        if have < wanted:
            wanted -= have
            base += len(block)
            continue
        at = -1
        for _ in range(wanted):
            at = block.index(b"\n", at + 1)
        file.seek(base + at + 1)
        return


def numbered(file: BinaryIO, first: int) -> Iterator[tuple[int, bytes]]:
    """Go through the lines from where the file stands, the beginning of each long one at most."""
    number = first
    while line := file.readline(LONG):
        part = line
        while part and not part.endswith(b"\n"):
            part = file.readline(LONG)
        yield number, line
        number += 1


def lines_with(
    file: BinaryIO, words: Sequence[bytes], first: int, *, any_case: bool = False
) -> Iterator[tuple[int, bytes]]:
    """Go through the lines that hold one of the words, from where the file stands; with `any_case` words are lower.

    Of a line that is longer than a block the beginning is looked at.
    """
    number, goes_on = first, False
    while block := file.read(_BLOCK):
        block += b"" if block.endswith(b"\n") else file.readline(LONG)
        begins = (block.find(b"\n") + 1 or len(block)) if goes_on else 0
        yield from _lines_in(block, words, begins, number + block.count(b"\n", 0, begins), any_case=any_case)
        number += block.count(b"\n")
        goes_on = not block.endswith(b"\n")


def _lines_in(
    block: bytes, words: Sequence[bytes], at: int, number: int, *, any_case: bool
) -> Iterator[tuple[int, bytes]]:
    text = block.lower() if any_case else block
    places = {word: text.find(word, at) for word in words}
    while found := [place for place in places.values() if place >= 0]:
        place = min(found)
        begins = block.rfind(b"\n", at, place) + 1 or at
        ends = block.find(b"\n", place) + 1 or len(block)
        number += block.count(b"\n", at, begins)
        yield number, block[begins : min(ends, begins + LONG)]
        number += block.count(b"\n", begins, ends)
        at = ends
        places = {word: text.find(word, at) if 0 <= place < at else place for word, place in places.items()}


def offset_of(file: BinaryIO, size: int, moment: datetime, *, after: bool = False) -> int:
    """Return the offset of the first line at or after a moment; with `after`, of the first one after it.

    Where no time is found for long, it is looked for further ahead.
    """
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        begins, at = timed_line(file, middle, high)
        if at is None or at > moment or (at == moment and not after):
            high = middle
        else:
            low = begins + 1
    begins, at = timed_line(file, low, size)
    return begins if at is not None else size


def timed_line(file: BinaryIO, offset: int, end: int) -> tuple[int, datetime | None]:
    """Return offset and time of the first line with a time that begins at `offset` or later, before `end`.

    After some hundreds of lines without one it gives up, as if there were none.
    """
    last = min(end, offset + _FRUITLESS)
    if offset == 0:
        file.seek(0)
    else:
        file.seek(offset - 1)
        while file.tell() < last and (part := file.readline(LONG)) and not part.endswith(b"\n"):
            pass
    for _ in range(_FRUITLESS_LINES):
        begins = file.tell()
        line = file.readline(LONG) if begins < last else b""
        if not line:
            break
        at = time_of(line[:64].decode("ascii", "replace")) if line[:1].isdigit() else None
        if at is not None:
            return begins, at
        while line and not line.endswith(b"\n") and file.tell() < last:
            line = file.readline(LONG)
    return end, None
