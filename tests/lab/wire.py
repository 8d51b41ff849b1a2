"""A wire between xenci and Gerrit, or a cloud, that can be cut, slowed down, or made to swallow or spoil answers."""

import contextlib
import select
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Mode = Literal["open", "refused", "slow", "mute", "hung", "error"]
_CHUNK = 65536
#: seconds that a chunk takes on a slow wire
_SLOW = 0.4
#: how the request that posts a review begins
_POST = b"POST /a/changes/"
#: what a service says that has fallen over
_ERROR = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(slots=True)
class Wire:
    """Forwards connections to a port of this machine.

    `refused` ends what is open and accepts nothing, `slow` holds each chunk back, `mute` lets the answers to reviews
    vanish: Gerrit has them, and its client does not learn it. `hung` accepts requests and passes nothing on, `error`
    answers each with HTTP's 500.
    """

    target: int
    #: the port to connect to
    port: int = 0
    #: reviews whose answer vanished
    swallowed: int = 0
    _mode: Mode = "open"
    _listener: socket.socket | None = None
    _open: set[socket.socket] = field(default_factory=set)

    def start(self) -> None:
        """Listen; on the same port as before, if it did already."""
        listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def stop(self) -> None:
        """Accept nothing more, and end what is open."""
        listener, self._listener = self._listener, None
        if listener is not None:
            # close() alone leaves a thread that accepts where it is
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for one in list(self._open):
            _end(one)

    @contextlib.contextmanager
    def as_(self, mode: Mode) -> Iterator[None]:
        """Be like this for a while."""
        self._mode = mode
        if mode == "refused":
            self.stop()
        try:
            yield
        finally:
            self._mode = "open"
            if mode == "refused":
                self.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:  # it was stopped
                return
            threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection(("127.0.0.1", self.target), timeout=5)
        except OSError:
            _end(near)
            return
        self._open |= {near, far}
        try:
            self._forward(near, far)
        except OSError:  # one side went away
            pass
        finally:
            for one in (near, far):
                self._open.discard(one)
                _end(one)

    def _forward(self, near: socket.socket, far: socket.socket) -> None:
        vanishes = False
        while True:
            for ready in select.select([near, far], [], [])[0]:
                data = ready.recv(_CHUNK)
                if not data:
                    return
                if self._mode == "hung":
                    continue
                if ready is near and self._mode == "error":
                    near.sendall(_ERROR)
                    return
                if ready is near and self._mode == "mute" and data.startswith(_POST):
                    vanishes = True
                elif ready is far and vanishes:
                    self.swallowed += 1
                    return
                if self._mode == "slow":
                    time.sleep(_SLOW)
                (far if ready is near else near).sendall(data)


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
