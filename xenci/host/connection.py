"""A node over one kept-open SSH connection.

An emulated or busy node takes tens of seconds to accept a connection, so it is made once, kept alive, and made anew by
the next call when it broke. Every call has an end in time; what breaks on the way is told as HostLost, never as the
command's own failure.
"""

import shlex
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from posixpath import dirname

import fabric
import paramiko
import structlog

from xenci.errors import NotFound
from xenci.host import push, units
from xenci.host.bridge import Bridge
from xenci.host.door import Door, Patience, open_connection, translated, watchdog
from xenci.host.port import CommandFailed, HostLost, HostOdd, HostSlow, Output, Pipe, Unit, UnitLook

_log = structlog.get_logger()
_BROKEN = (paramiko.SSHException, EOFError, OSError)
#: more than this from one command is no answer to anything we ask
MAX_OUTPUT = 32 * 1024 * 1024
_SHORT = timedelta(seconds=120)
#: after this a channel that could not be closed takes its connection with it
_GRACE = timedelta(seconds=20)
_NO_FILE = 44


def connect(
    address: str, *, user: str, key: Path, host_key: str, port: int = 22, patience: Patience | None = None
) -> "SshHost":
    """Return a connected node. `host_key` is `KIND BASE64`. Raises HostLost or HostKeyChanged."""
    door = Door(address=address, port=port, user=user, key=key, host_key=host_key)
    host = SshHost(door, patience or Patience())
    host.open()
    return host


class SshHost:
    """A node (see port.Host); several threads may use it at once."""

    def __init__(self, door: Door, patience: Patience) -> None:
        self._door, self._patience = door, patience
        self._lock = threading.Lock()
        #: names of units that were seen to be started: they need not be asked for again
        self._started: set[str] = set()
        self._connection: fabric.Connection | None = None

    @property
    def address(self) -> str:
        return self._door.address

    def open(self) -> None:
        """Connect, unless there is a connection that lives. Raises HostLost or HostKeyChanged."""
        self._transport()

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.client.close()
            self._connection = None

    def run(self, command: str, *, timeout: timedelta, input: bytes = b"") -> Output:
        channel = self._session()
        with self._guarded(channel, timeout, command):
            channel.exec_command(self._as_root(command))
            if input:
                channel.sendall(input)
            channel.shutdown_write()
            stdout, stderr = _read(channel.recv), _read(channel.recv_stderr)
            code = channel.recv_exit_status()
        if code < 0:
            raise HostLost(f"{self._door.name}: the connection ended before: {_title(command)}")
        return Output(exit_code=code, stdout=stdout, stderr=stderr)

    def start_unit(self, unit: Unit) -> bool:
        if unit.name in self._started:
            return False
        is_new = units.start(self.run, unit)
        self._started.add(unit.name)
        return is_new

    def stop_unit(self, unit: str) -> None:
        units.stop(self.run, unit)

    def look(self, unit: str, follow: Mapping[str, int], *, limit: int = units.LOOK_LIMIT) -> UnitLook:
        return units.look(self.run, unit, follow, limit=limit)

    def write(self, path: str, data: bytes, *, mode: int = 0o600) -> None:
        new, final, folder = (shlex.quote(name) for name in (f"{path}.xenci-new", path, dirname(path)))
        script = f"umask 077; mkdir -p {folder} && cat > {new} && chmod {mode:o} {new} && mv -f {new} {final}"
        if (output := self.run(script, timeout=_SHORT, input=data)).exit_code:
            raise CommandFailed(output.words, brief=f"{path} could not be written on {self.address}")

    def read(self, path: str, *, limit: int) -> bytes:
        name = shlex.quote(path)
        output = self.run(f"[ -f {name} ] || exit {_NO_FILE}; head -c {limit} {name}", timeout=_SHORT)
        if output.exit_code == _NO_FILE:
            raise NotFound(f"{path} on {self.address}", brief="There is no such file")
        if output.exit_code:
            raise CommandFailed(output.words, brief=f"{path} could not be read on {self.address}")
        return output.stdout

    @contextmanager
    def pipe(self, command: str) -> Iterator[Pipe]:
        def start() -> paramiko.Channel:
            channel = self._session()
            with self._guarded(channel, self._patience.channel, command, keep=True):
                channel.exec_command(self._as_root(command))
            return channel

        bridge = Bridge(start)
        try:
            yield bridge
        finally:
            bridge.close()
            if bridge.failure is not None:
                raise bridge.failure

    def push_tree(self, repository: Path, commit: str, *, remote_path: str, ref: str, timeout: timedelta) -> None:
        push.push_tree(self, repository, commit, remote_path=remote_path, ref=ref, timeout=timeout)

    def _transport(self) -> paramiko.Transport:
        with self._lock:
            if self._connection is None or not self._connection.is_connected:
                self._connection = open_connection(self._door, self._patience)
                _log.debug("host.connected", node=self._door.name)
            transport: paramiko.Transport = self._connection.transport
            return transport

    def _session(self) -> paramiko.Channel:
        """Open a channel; a kept connection that turns out to be dead is made anew, once: nothing was asked yet."""
        was_open = self._connection is not None
        for is_last in (not was_open, True):
            transport = self._transport()
            try:
                return transport.open_session(timeout=self._patience.channel.total_seconds())
            except _BROKEN as error:
                transport.close()
                if is_last:
                    raise translated(error, self._door) from error
                _log.info("host.reconnecting", node=self._door.name, why=str(error))
        raise HostLost(self._door.name)

    @contextmanager
    def _guarded(
        self, channel: paramiko.Channel, limit: timedelta, command: str, *, keep: bool = False
    ) -> Iterator[None]:
        """Translate what breaks in the block, and end it in time.

        A command that is late loses its channel only: a busy node would take long to accept another connection. If that
        does not free us either, the connection is closed.
        """
        transport, bark = channel.get_transport(), threading.Event()
        try:
            channel.settimeout(limit.total_seconds())
            with watchdog(transport.close, limit + _GRACE, bark), watchdog(channel.close, limit, bark):
                yield
        except _BROKEN as error:
            if bark.is_set() or isinstance(error, TimeoutError):
                raise self._late(limit, command) from error
            transport.close()
            raise translated(error, self._door) from error
        finally:
            if not keep:
                channel.close()
        if bark.is_set():
            raise self._late(limit, command)

    def _late(self, limit: timedelta, command: str) -> HostSlow:
        return HostSlow(f"{self._door.name}: not done in {limit.total_seconds():g} s: {_title(command)}")

    def _as_root(self, command: str) -> str:
        shell = f"/bin/sh -c {shlex.quote(command)}"
        return shell if self._door.user == "root" else f"sudo -n {shell}"


def _title(command: str) -> str:
    """The first line of a command; of our scripts it is a comment that says what it does."""
    return command.strip().splitlines()[0][:200]


def _read(receive: Callable[[int], bytes]) -> bytes:
    data = bytearray()
    while piece := receive(65536):
        data += piece
        if len(data) > MAX_OUTPUT:
            raise HostOdd(f"a command says more than {MAX_OUTPUT} bytes")
    return bytes(data)
