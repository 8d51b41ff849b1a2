"""Whole packets of a subunit v2 stream, cut from bytes as they come.

python-subunit reads from a file and waits in it; a stream that is followed from afar comes in pieces that end anywhere.
A packet is: 0xB3, two bytes of flags (version 2 in the upper four bits), its whole length in one to three bytes, the
content, and a CRC-32 of all before it. What is no packet, or a damaged one, is stepped over byte by byte until the next
that is whole.
"""

import zlib

_SIGNATURE = 0xB3
_VERSION = 0x20
#: signature, flags, one byte of length, CRC
_SHORTEST = 8
#: length of the longest header
_HEADER = 6
#: what a program prints between packets: no damage
_TEXT = bytes(range(0x20, 0x7F)) + b"\t\r\n\x1b"
#: bytes whose checksum was wrong since the last sound packet: with more it is an attack on our time, not a stream
_MAX_WRONG = 64 * 1024 * 1024


class Packets:
    """Cuts packets. `consumed` counts the bytes up to the end of the last packet, or of what was stepped over."""

    def __init__(self, consumed: int = 0) -> None:
        self.consumed = consumed
        #: bytes that belonged to no whole packet
        self.skipped = 0
        #: those of them that nobody prints: they were a packet's
        self.damaged = 0
        self._wrong = 0
        self._buffer = bytearray()

    @property
    def received(self) -> int:
        """Offset in the stream of the next byte that is wanted."""
        return self.consumed + len(self._buffer)

    def feed(self, chunk: bytes) -> list[bytes]:
        """Add bytes; return the packets that are whole by now."""
        self._buffer += chunk
        return self._cut(is_end=False)

    def end(self) -> list[bytes]:
        """Nothing more comes: what looked like the begin of a packet is stepped over; return what stands behind it."""
        return self._cut(is_end=True)

    @property
    def is_hopeless(self) -> bool:
        """So much of it is damaged that nothing more is looked for."""
        return self._wrong > _MAX_WRONG

    def _cut(self, *, is_end: bool) -> list[bytes]:
        packets = []
        view, at, size = self._buffer, 0, len(self._buffer)
        while at < size:
            start = view.find(_SIGNATURE, at)
            if start < 0 or self.is_hopeless:
                self._step_over(at, size)
                at = size
                break
            self._step_over(at, start)
            at = start
            length = _length(view, at)
            if length is None or (length and at + length > size):
                if not is_end:
                    break
                length = 0
            if length and _is_sound(view, at, length):
                self._wrong = 0
                packets.append(bytes(view[at : at + length]))
                at += length
            else:
                self._wrong += length
                self._step_over(at, at + 1)
                at += 1
        del self._buffer[:at]
        self.consumed += at
        return packets

    def _step_over(self, start: int, end: int) -> None:
        self.skipped += end - start
        self.damaged += len(self._buffer[start:end].translate(None, _TEXT))


def _length(view: bytearray, at: int) -> int | None:
    """Return the length that the header at `at` tells; 0 if it is no header; None if more bytes are needed."""
    head = view[at : at + _HEADER]
    if len(head) > 1 and (head[1] & 0xF0) != _VERSION:
        return 0
    if len(head) < 4:
        return None
    more = head[3] >> 6
    if more == 3:
        return 0
    if len(head) < 4 + more:
        return None
    length = int.from_bytes(head[3 : 4 + more], "big") & ~(3 << (6 + 8 * more))
    return length if length >= _SHORTEST + more else 0


def _is_sound(view: bytearray, at: int, length: int) -> bool:
    end = at + length
    return zlib.crc32(view[at : end - 4]) == int.from_bytes(view[end - 4 : end], "big")
