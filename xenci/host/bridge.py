"""A local Unix socket whose connections are a command on the node, by its standard input and output.

So git and libvirt, which are processes of their own, use the connection that is already open and pinned, instead of a
second one that a busy node takes half a minute to accept.
"""

import shutil
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import paramiko
import structlog

from xenci.errors import XenciError

_log = structlog.get_logger()
_MOST_WORDS = 4096
#: how long a command that has said all may take to end, before its connection is told that there is no more; seconds
_LAST = 5.0


class Bridge:
    """Serves until it is closed; see port.Pipe. The socket lies in a folder that only we can enter."""

    def __init__(self, start: Callable[[], paramiko.Channel]) -> None:
        self._start = start
        self._folder = Path(tempfile.mkdtemp(prefix="xenci-"))
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(4)
        self._open: list[tuple[socket.socket, paramiko.Channel]] = []
        self._threads: list[threading.Thread] = []
        self._words = b""
        #: why a command could not be started
        self.failure: XenciError | None = None
        self._thread = self._in_background(self._accept)

    @property
    def path(self) -> Path:
        return self._folder / "socket"

    @property
    def complaint(self) -> str:
        """What the commands wrote to standard error."""
        return self._words.decode(errors="replace").strip()

    def close(self) -> None:
        """End the commands, the socket and its folder."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=90)
        for connection, channel in self._open:
            channel.close()
            connection.close()
        for thread in self._threads:
            thread.join(timeout=10)
        shutil.rmtree(self._folder)

    def _in_background(self, work: Callable[..., None], *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=work, args=arguments, daemon=True, name="xenci-pipe")
        thread.start()
        return thread

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                _log.debug("host.pipe.closed", why=str(error))
                return
            try:
                channel = self._start()
            except XenciError as error:
                self.failure = error
                connection.close()
                continue
            channel.settimeout(None)
            self._open.append((connection, channel))
            for pump in (self._to_node, self._from_node):
                self._threads.append(self._in_background(pump, connection, channel))

    def _to_node(self, connection: socket.socket, channel: paramiko.Channel) -> None:
        try:
            while data := connection.recv(65536):
                channel.sendall(data)
            channel.shutdown_write()
        except (paramiko.SSHException, EOFError, OSError) as error:
            _log.debug("host.pipe.ended", way="to the node", why=str(error))

    def _from_node(self, connection: socket.socket, channel: paramiko.Channel) -> None:
        try:
            while data := channel.recv(65536):
                connection.sendall(data)
            while words := channel.recv_stderr(4096):
                self._words = (self._words + words)[-_MOST_WORDS:]
            # dropbear takes a channel that is opened between a command's last word and its end for the ended one
            channel.status_event.wait(_LAST)
            # last, so that who has seen the end can ask for the complaint
            connection.shutdown(socket.SHUT_WR)
        except (paramiko.SSHException, EOFError, OSError) as error:
            _log.debug("host.pipe.ended", way="from the node", why=str(error))
