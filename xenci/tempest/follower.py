"""Turn a growing subunit stream into test results: one when a test begins, one when it ends.

The stream comes from a machine under test, so nothing in it is trusted: ids and texts are made printable, as PostgreSQL
refuses a NUL and a page must not be steered, and their sizes and number are limited. Of a test's attachments only
tracebacks and reasons are kept; the rest (Tempest's own log of each test) is in the stream.
"""

import io
import struct
from datetime import datetime
from typing import Any

import structlog
from subunit import ByteStreamToStreamResult

from xenci.model.tests import TestResult, TestStatus
from xenci.tempest.packets import Packets

_log = structlog.get_logger()
#: most bytes of a result's detail; what is in the middle of a longer one is left out
MAX_DETAIL = 64 * 1024
#: most bytes of a test's id: PostgreSQL's index takes no more than some 2,700
_MAX_ID = 1000
#: more results than any Tempest has: what comes after them is not looked at
MAX_RESULTS = 200_000
_HEAD = MAX_DETAIL // 4


class Follower:
    """Reads a stream. Fed the same bytes in other pieces, it tells the same results."""

    def __init__(self) -> None:
        self._packets = Packets()
        #: tests that began: when
        self._began: dict[str, datetime | None] = {}
        #: tests that began, or told a detail: what they told
        self._details: dict[str, bytearray] = {}
        self._results: list[TestResult] = []
        self._count = 0
        #: packets with a right checksum and a wrong content
        self.malformed = 0

    @property
    def consumed(self) -> int:
        """Offset behind the last whole packet."""
        return self._packets.consumed

    @property
    def received(self) -> int:
        """Offset of the next byte that is wanted; a new Follower begins at 0, from the stored copy of the stream."""
        return self._packets.received

    @property
    def skipped(self) -> int:
        """Bytes that belonged to no whole packet."""
        return self._packets.skipped

    @property
    def damage(self) -> str:
        """Say what was lost of the stream, without a full stop; empty if nothing was. Complete after `end()`."""
        if self._packets.damaged:
            return f"{self._packets.damaged} of its bytes belong to no whole packet"
        if self.malformed:
            return f"{self.malformed} of its packets make no sense"
        return f"it tells more than {MAX_RESULTS} results" if self._count >= MAX_RESULTS else ""

    @property
    def running(self) -> list[str]:
        """Ids of the tests that began and did not end, in the order of their begin."""
        return list(self._began)

    def feed(self, chunk: bytes) -> list[TestResult]:
        """Read on; return what began (INPROGRESS) and what ended, in order."""
        return self._read(self._packets.feed(chunk))

    def end(self) -> list[TestResult]:
        """Nothing more comes; return what stands behind a damaged packet that seemed to be unfinished."""
        return self._read(self._packets.end())

    def _read(self, packets: list[bytes]) -> list[TestResult]:
        self._results = []
        for packet in packets:
            if self._count >= MAX_RESULTS:
                break
            try:
                ByteStreamToStreamResult(io.BytesIO(packet)).run(self)
            except (struct.error, ValueError, OverflowError, KeyError, IndexError) as error:
                self.malformed += 1
                _log.warning("tempest.packet.malformed", at=self.consumed, error=str(error))
        return self._results

    def status(
        self,
        test_id: str | None = None,
        test_status: str | None = None,
        *,
        file_name: str | None = None,
        file_bytes: Any = None,
        timestamp: datetime | None = None,
        **_: object,
    ) -> None:
        """Take one event; python-subunit calls this."""
        if test_id is None:
            return
        if test_id == "subunit.parser":
            self.malformed += file_name == "Parser Error"
            return
        name = _printable(test_id[:_MAX_ID]).encode()[:_MAX_ID].decode(errors="ignore")
        if file_name is not None and file_bytes and _is_kept(file_name):
            _add(self._details.setdefault(name, bytearray()), bytes(file_bytes))
        if test_status == "inprogress":
            self._begin(name, timestamp)
        elif test_status not in (None, "exists"):
            self._finish(name, TestStatus(test_status), timestamp)

    def _begin(self, name: str, at: datetime | None) -> None:
        if name in self._began:
            return
        self._began[name] = at
        self._tell(TestResult(id=name, status=TestStatus.INPROGRESS, started_at=at, finished_at=None))

    def _finish(self, name: str, status: TestStatus, at: datetime | None) -> None:
        began = self._began.pop(name, None)
        detail = _text(bytes(self._details.pop(name, b"")))
        self._tell(TestResult(id=name, status=status, started_at=began, finished_at=at, detail=detail))

    def _tell(self, result: TestResult) -> None:
        self._count += 1
        self._results.append(result)


def _is_kept(attachment: str) -> bool:
    return attachment.startswith("traceback") or attachment == "reason"


def _add(detail: bytearray, more: bytes) -> None:
    """Append to a detail; the last of it says why a test failed, so a long one loses its middle."""
    detail += more
    if len(detail) > 2 * MAX_DETAIL:
        del detail[_HEAD : len(detail) - (MAX_DETAIL - _HEAD)]
        detail[_HEAD:_HEAD] = _LEFT_OUT


_LEFT_OUT = b"\n[... the middle was left out ...]\n"


def _text(detail: bytes) -> str:
    if len(detail) > MAX_DETAIL:
        detail = detail[:_HEAD] + _LEFT_OUT + detail[len(detail) - (MAX_DETAIL - _HEAD - len(_LEFT_OUT)) :]
    return _printable(detail.decode(errors="replace"), keep="\n\t").strip("\n")


def _printable(text: str, keep: str = "") -> str:
    """Replace what is no printable character, such as NUL, escapes, and marks that turn the direction of text."""
    return "".join(c if c.isprintable() or c in keep else "�" for c in text)
