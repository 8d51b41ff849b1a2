"""Hears Gerrit's events over SSH, as a third party may: `gerrit stream-events` on one connection.

The server's host key is pinned in the configuration; another key ends it and is never learned. A dead TCP connection
looks like a quiet day: so a keepalive goes out regularly, and the kernel gives the connection up when its packets are
not acknowledged for three times as long. What a frozen peer does is for the caller to notice, who counts the ticks.
"""

import base64
import binascii
import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import paramiko
import structlog
from paramiko.pkey import UnknownKeyType

from xenci.gerrit.failures import BadKey, GerritDown, HostKeyChanged, KeyRefused, NotAllowed, StreamLost
from xenci.gerrit.lines import Lines

log = structlog.get_logger(__name__)

COMMAND = "gerrit stream-events"
_TICK_S = 1.0
_SILENT = logging.getLogger("xenci.gerrit.paramiko")
_SILENT.setLevel(logging.CRITICAL + 1)
_PACKET = 256 * 1024
_STATUS_S = 2.0
_ASK_OPERATORS = (
    "Ask Gerrit's operators whether the key was changed; only then put the new one into gerrit.ssh.host_key"
)


class SshStream:
    """A GerritStream. `lines()` may be called again after it has ended or raised, until `close()`."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        user: str,
        key_file: Path,
        host_key: str,
        keepalive: timedelta = timedelta(seconds=30),
        connect_timeout: timedelta = timedelta(seconds=20),
        connect: Callable[..., socket.socket] = socket.create_connection,
    ) -> None:
        self._host, self._port, self._user = host, port, user
        self._key_file, self._host_key = key_file, host_key
        self._keepalive, self._patience = keepalive, connect_timeout.total_seconds()
        self._connect = connect
        self._closed = threading.Event()
        self._socket: socket.socket | None = None

    def lines(self) -> Iterator[bytes | None]:
        """See the port. Nothing is replayed: what happened while there was no connection is found by REST."""
        client = paramiko.SSHClient()
        # it logs with a traceback what it raises as well
        client.set_log_channel(_SILENT.name)
        try:
            channel = self._open(client)
            log.info("gerrit.stream.connected", host=self._host, port=self._port)
            yield from self._read(channel)
        except (OSError, EOFError, paramiko.SSHException) as error:
            if not self._closed.is_set():
                raise self._lost(str(error) or type(error).__name__) from error
        finally:
            client.close()
            ours, self._socket = self._socket, None
            if ours is not None:
                ours.close()

    def close(self) -> None:
        """End lines() promptly, from whatever thread; it cannot be opened again."""
        self._closed.set()
        ours = self._socket
        if ours is not None:
            # whoever reads from it wakes up, and closes it
            with contextlib.suppress(OSError):
                ours.shutdown(socket.SHUT_RDWR)

    @property
    def _address(self) -> str:
        return f"{self._user}@{self._host}:{self._port}"

    def _open(self, client: paramiko.SSHClient) -> paramiko.Channel:
        key = private_key(self._key_file)
        name = self._host if self._port == 22 else f"[{self._host}]:{self._port}"
        pinned = public_key(self._host_key)
        client.get_host_keys().add(name, pinned.get_name(), pinned)
        client.set_missing_host_key_policy(_RefuseOthers())
        self._socket = self._dial()
        if self._closed.is_set():
            # before there was a socket that close() could have ended
            raise OSError("closed")
        self._authenticate(client, key)
        transport = client.get_transport()
        if transport is None:
            raise self._lost("the connection ended while it was set up")
        transport.set_keepalive(max(1, int(self._keepalive.total_seconds())))
        # paramiko looks whether it should end, and for its keepalive, as often as its socket's time is up
        self._socket.settimeout(_TICK_S)
        channel = transport.open_session(timeout=self._patience)
        channel.settimeout(self._patience)
        try:
            channel.exec_command(COMMAND)
        except paramiko.SSHException:
            if not channel.closed:
                raise
            # ended at once: what was said and the exit status tell why
            log.debug("gerrit.stream.ended_at_once")
        channel.settimeout(_TICK_S)
        return channel

    def _dial(self) -> socket.socket:
        if self._closed.is_set():
            raise OSError("closed")
        try:
            dialled = self._connect((self._host, self._port), timeout=self._patience)
        except OSError as error:
            remedy = "Check gerrit.ssh.host and port, and the network; it is tried again"
            raise GerritDown(f"SSH to {self._address}: {error}", remedy=remedy) from error
        dialled.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        unacknowledged_ms = int(self._keepalive.total_seconds() * 3000)
        dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, unacknowledged_ms)
        return dialled

    def _authenticate(self, client: paramiko.SSHClient, key: paramiko.PKey) -> None:
        try:
            client.connect(
                self._host,
                port=self._port,
                username=self._user,
                pkey=key,
                sock=self._socket,
                timeout=self._patience,
                banner_timeout=self._patience,
                auth_timeout=self._patience,
                channel_timeout=self._patience,
                allow_agent=False,
                look_for_keys=False,
            )
        except paramiko.BadHostKeyException as error:
            shown = (
                f"{self._host}:{self._port} shows {fingerprint(error.key)}, pinned is {fingerprint(error.expected_key)}"
            )
            raise HostKeyChanged(shown, remedy=_ASK_OPERATORS) from error
        except paramiko.AuthenticationException as error:
            remedy = f"Add {self._key_file}.pub to the account in Gerrit, or set gerrit.ssh.user and key_file"
            raise KeyRefused(f"{self._key_file} as {self._address}", remedy=remedy) from error

    def _read(self, channel: paramiko.Channel) -> Iterator[bytes | None]:
        lines = Lines()
        while not self._closed.is_set():
            try:
                packet = channel.recv(_PACKET)
            except TimeoutError:
                yield None
                continue
            if not packet:
                if rest := lines.rest():
                    yield rest
                break
            yield from lines.feed(packet)
        if not self._closed.is_set():
            raise self._ended(channel)

    def _ended(self, channel: paramiko.Channel) -> StreamLost | NotAllowed:
        words = ""
        with contextlib.suppress(TimeoutError):
            words = channel.recv_stderr(2000).decode(errors="replace").strip()
        # the exit status comes after the end of the output, and never if the connection broke
        channel.status_event.wait(_STATUS_S)
        if words and channel.exit_status > 0:
            remedy = "Ask for the Stream Events capability for this account"
            return NotAllowed(f"`{COMMAND}` as {self._address}: {words}", remedy=remedy)
        return self._lost(words or "Gerrit ended it")

    def _lost(self, detail: str) -> StreamLost:
        return StreamLost(f"{self._address}: {detail}", remedy="It is made anew; open changes are looked through then")


class _RefuseOthers(paramiko.MissingHostKeyPolicy):
    """The server has no key of the pinned kind, but another."""

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        raise HostKeyChanged(f"{hostname} shows {fingerprint(key)}, of another kind than pinned", remedy=_ASK_OPERATORS)


def public_key(text: str) -> paramiko.PKey:
    """Return the key of a line like `ssh-ed25519 AAAA…`. Raises BadKey."""
    try:
        kind, data = text.split()[:2]
        return paramiko.PKey.from_type_string(kind, base64.b64decode(data, validate=True))
    except (ValueError, IndexError, binascii.Error, UnknownKeyType, paramiko.SSHException) as error:
        remedy = "Put the line from `ssh-keyscan` there, without the host: ssh-ed25519 AAAA…"
        raise BadKey(f"gerrit.ssh.host_key {text[:40]!r} is no public key", remedy=remedy) from error


def private_key(path: Path) -> paramiko.PKey:
    """Return the private key of a file. Raises BadKey."""
    try:
        return paramiko.PKey.from_path(path)
    except FileNotFoundError as error:
        remedy = "Make one by `ssh-keygen -t ed25519 -N ''` and add its public half to the account in Gerrit"
        raise BadKey(f"gerrit.ssh.key_file {path} is not there", remedy=remedy) from error
    except (OSError, ValueError, TypeError, UnknownKeyType, paramiko.SSHException) as error:
        remedy = "It must be a private key without a passphrase, readable by xenci"
        raise BadKey(f"gerrit.ssh.key_file {path}: {error}", remedy=remedy) from error


def fingerprint(key: paramiko.PKey) -> str:
    """Return a key's kind and SHA-256 as OpenSSH prints it."""
    return f"{key.get_name()} {key.fingerprint}"
