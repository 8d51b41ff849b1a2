"""Make an SSH connection by Fabric and paramiko, to the one host key that the node's console told.

Nothing of the machine's own SSH set-up takes part: no agent, no `~/.ssh`, no configuration files. paramiko waits for
ever in some calls; a watchdog closes the connection under them.
"""

import base64
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import fabric
import paramiko

from xenci.errors import XenciError
from xenci.host.port import HostKeyChanged, HostLost, HostSlow

# paramiko writes tracebacks of its thread to standard error; what they say is in our errors
logging.getLogger("paramiko.transport").addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long SSH itself may take; commands have their own limits. A busy emulated node takes 40 s to answer."""

    #: each of: TCP connection, banner, key exchange with authentication
    connect: timedelta = timedelta(seconds=90)
    #: a channel for a command, on a connection that is open
    channel: timedelta = timedelta(seconds=90)
    #: how often a keepalive is sent
    keepalive: timedelta = timedelta(seconds=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where a node is, who we are there, and how we know it."""

    address: str
    port: int
    user: str
    #: our private key
    key: Path
    #: the node's public host key, `KIND BASE64`
    host_key: str

    @property
    def name(self) -> str:
        """As in a known_hosts file."""
        return self.address if self.port == 22 else f"[{self.address}]:{self.port}"


def open_connection(door: Door, patience: Patience) -> fabric.Connection:
    """Return an open connection. Raises HostLost, HostSlow or HostKeyChanged."""
    seconds = patience.connect.total_seconds()
    connection = fabric.Connection(
        door.address,
        user=door.user,
        port=door.port,
        config=fabric.Config(overrides={"load_ssh_configs": False}, lazy=True),
        connect_timeout=seconds,
        connect_kwargs={
            "key_filename": str(door.key),
            "look_for_keys": False,
            "allow_agent": False,
            "banner_timeout": seconds,
            "auth_timeout": seconds,
        },
    )
    _pin(connection.client, door)
    bark = threading.Event()
    try:
        with watchdog(connection.client.close, 3 * patience.connect, bark):
            connection.open()
        _keep_alive(connection.transport, patience.keepalive)
    except (paramiko.SSHException, EOFError, OSError, ValueError) as error:
        connection.client.close()
        raise translated(error, door, is_late=bark.is_set()) from error
    return connection


@contextmanager
def watchdog(close: Callable[[], None], limit: timedelta, bark: threading.Event) -> Iterator[None]:
    """Call `close` from another thread if the block is not over within `limit`; `bark` tells afterwards that it was."""

    def act() -> None:
        bark.set()
        close()

    timer = threading.Timer(limit.total_seconds(), act)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def translated(error: BaseException, door: Door, *, is_late: bool = False) -> XenciError:
    """Return what a failure of paramiko or of the socket is to a loop."""
    if isinstance(error, paramiko.BadHostKeyException):
        return HostKeyChanged(
            f"{door.name} shows {error.key.get_name()} {error.key.get_base64()}, its console told {door.host_key}",
            remedy="Delete the node: its address answers for another machine",
        )
    words = f"{door.name}: {str(error) or type(error).__name__}"
    if isinstance(error, paramiko.AuthenticationException):
        return HostLost(words, brief="The node refuses our key", remedy="See whether its image takes the key")
    if is_late or isinstance(error, TimeoutError):
        return HostSlow(words)
    return HostLost(words)


def _pin(client: paramiko.SSHClient, door: Door) -> None:
    kind, _, encoded = door.host_key.partition(" ")
    try:
        key = paramiko.PKey.from_type_string(kind, base64.b64decode(encoded))
    except (paramiko.SSHException, paramiko.pkey.UnknownKeyType, ValueError) as error:
        raise HostKeyChanged(f"{door.name}: {error}", brief="The host key that is known of the node is none") from error
    client.get_host_keys().clear()
    client.get_host_keys().add(door.name, kind, key)
    client.set_missing_host_key_policy(paramiko.RejectPolicy())


def _keep_alive(transport: paramiko.Transport, every: timedelta) -> None:
    """Notice a peer that is gone though nobody said so: a keepalive that is not acknowledged in time ends it."""
    seconds = int(every.total_seconds())
    transport.set_keepalive(seconds)
    if isinstance(sock := transport.sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 6 * seconds * 1000)
