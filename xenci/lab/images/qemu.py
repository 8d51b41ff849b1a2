"""Conversations with a machine's QEMU, by its monitor, and with the agent inside it: JSON lines over Unix sockets.

Each socket lets one client in at a time, so a channel is opened for a few words and closed. The lab's compute driver
has a conversation of its own like this one: it runs in the clouds' Python and must not import ours.
"""

import base64
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from xenci.errors import Temporary


class NoAnswer(Temporary):
    """The machine does not answer."""


class Refused(Temporary):
    """The machine refuses a command."""


class _Channel:
    """A conversation; `seconds` is the time for all of it. Raises NoAnswer where nothing comes."""

    def __init__(self, path: Path, seconds: float) -> None:
        self._path = path
        self._limit = time.monotonic() + seconds
        self._buffer = b""
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.settimeout(seconds)
            self._socket.connect(str(path))
            self._greet()
        except OSError as error:
            self._socket.close()
            raise NoAnswer(f"{path}: {error}") from error
        except BaseException:
            self._socket.close()
            raise

    def _greet(self) -> None:
        """Say and hear what comes before the first command."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def execute(self, command: str, **arguments: object) -> Any:
        """Return a command's answer. Argument names are written with `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in arguments.items()}
        self._send({"execute": command, **({"arguments": named} if named else {})})
        while True:
            answer = json.loads(self._line())
            if "error" in answer:
                raise Refused(f"{command}: {answer['error'].get('desc')}")
            if "return" in answer:
                return answer["return"]

    def _send(self, message: object, prefix: bytes = b"") -> None:
        try:
            self._socket.sendall(prefix + json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise NoAnswer(f"{self._path}: {error}") from error

    def _line(self) -> bytes:
        while b"\n" not in self._buffer:
            try:
                self._socket.settimeout(max(0.01, self._limit - time.monotonic()))
                data = self._socket.recv(65536)
            except OSError as error:
                raise NoAnswer(f"{self._path}: {error}") from error
            if not data:
                raise NoAnswer(f"{self._path}: the connection was closed")
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line


class Monitor(_Channel):
    """QEMU's monitor (QMP)."""

    def _greet(self) -> None:
        self._line()
        self.execute("qmp_capabilities")


class Agent(_Channel):
    """The QEMU guest agent. A stale answer to somebody before us is skipped over."""

    def _greet(self) -> None:
        token = int(time.time() * 1000) % 2**31
        self._send({"execute": "guest-sync-delimited", "arguments": {"id": token}}, prefix=b"\xff")
        while True:
            line = self._line().split(b"\xff")[-1]
            try:
                if json.loads(line).get("return") == token:
                    return
            except ValueError:
                continue

    def run(self, *command: str) -> int:
        """Start a program (its full path first) and return its process id."""
        return int(self.execute("guest-exec", path=command[0], arg=list(command[1:]))["pid"])

    def exit_code(self, pid: int) -> int | None:
        """Return the exit code of what `run` started, None while it runs. Asked for once it ended, it is forgotten."""
        status = self.execute("guest-exec-status", pid=pid)
        return int(status.get("exitcode", 128 + status.get("signal", 0))) if status["exited"] else None

    def read(self, path: str, start: int = 0) -> bytes:
        """Return a file from a byte on, at most 1 MB; empty if it is not there."""
        try:
            handle = self.execute("guest-file-open", path=path, mode="r")
        except Refused:
            return b""
        try:
            self.execute("guest-file-seek", handle=handle, offset=start, whence=0)
            return base64.b64decode(self.execute("guest-file-read", handle=handle, count=1 << 20)["buf-b64"])
        finally:
            self.execute("guest-file-close", handle=handle)

    def write(self, path: str, data: bytes) -> None:
        """Make a file of these bytes."""
        handle = self.execute("guest-file-open", path=path, mode="w")
        self.execute("guest-file-write", handle=handle, buf_b64=base64.b64encode(data).decode())
        self.execute("guest-file-close", handle=handle)


def answering_agent(path: Path, seconds: float, *, lives: Callable[[], bool]) -> Agent:
    """Return the agent once it answers within `seconds`. Raises NoAnswer, at once if the machine ended."""
    limit = time.monotonic() + seconds
    while True:
        try:
            agent = Agent(path, 15)
        except NoAnswer:
            if not lives():
                raise NoAnswer("the machine ended", remedy="Its console.log says why") from None
            if time.monotonic() > limit:
                raise NoAnswer(f"the agent is silent after {seconds:.0f} s") from None
            time.sleep(0.5)
            continue
        agent._limit = time.monotonic() + 300
        return agent
