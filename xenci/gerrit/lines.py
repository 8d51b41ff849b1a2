"""Cuts what arrives on a connection into lines, of whatever sizes it arrives in."""

import structlog

log = structlog.get_logger(__name__)

#: Gerrit's longest events hold a commit message and a comment: some 100 KB
LONGEST = 4 * 1024 * 1024


class Lines:
    """Keeps the half line between two packets. One that never ends is thrown away, not kept for ever."""

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._parts: list[bytes] = []
        self._size = 0
        self._is_skipping = False

    def feed(self, packet: bytes) -> list[bytes]:
        """Return the lines that this packet completes, without their ends; empty ones are left out."""
        *whole, rest = packet.split(b"\n")
        lines = []
        for piece in whole:
            self._keep(piece)
            if line := self._take():
                lines.append(line)
        self._keep(rest)
        return lines

    def rest(self) -> bytes:
        """Return the half line that is left at the end of the connection."""
        return self._take()

    def _keep(self, piece: bytes) -> None:
        if self._is_skipping or not piece:
            return
        self._parts.append(piece)
        self._size += len(piece)
        if self._size > self._longest:
            log.warning("gerrit.stream.line_too_long", longest=self._longest)
            self._parts, self._is_skipping = [], True

    def _take(self) -> bytes:
        line = b"".join(self._parts).strip()
        self._parts, self._size, self._is_skipping = [], 0, False
        return line
