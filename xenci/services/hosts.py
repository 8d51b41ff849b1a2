"""Connections to nodes that are kept between steps: to a busy emulated machine a new one takes half a minute."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from xenci.host.port import Host, HostLost, HostSlow


class HostCache:
    """One connection for each node, used by one step at a time; a lost one is forgotten."""

    def __init__(self, connect: Callable[[str, str, str, int], Host]) -> None:
        self._connect = connect
        self._open: dict[str, Host] = {}
        self._locks: dict[str, Lock] = {}
        self._lock = Lock()

    @contextmanager
    def host(self, address: str, *, user: str, host_key: str, port: int = 22) -> Iterator[Host]:
        """Lend the connection to a node, made if there is none. Raises HostLost (Temporary)."""
        name = f"{user}@{address} {port} {host_key}"
        with self._lock:
            lock = self._locks.setdefault(name, Lock())
        with lock:
            host = self._open.get(name)
            if host is None:
                host = self._open[name] = self._connect(address, user, host_key, port)
            try:
                yield host
            except HostSlow:
                # it is busy: its connection lives, and to make another would take it half a minute
                raise
            except HostLost:
                self._open.pop(name, None)
                host.close()
                raise

    def forget(self, address: str) -> None:
        """Close what is open to a node that is given up."""
        with self._lock:
            names = [name for name in self._open if name.split(" ", 1)[0].endswith(f"@{address}")]
            for name in names:
                self._open.pop(name).close()

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            while self._open:
                self._open.popitem()[1].close()
