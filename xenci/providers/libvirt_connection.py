"""The connection to a libvirt daemon, on which every call has an end.

A call into libvirt may hang and cannot be interrupted, so it is made in a thread that is left behind when it takes
longer than `api_timeout`; the connection is then made anew. The library is imported at the first call.
"""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from xenci.config.models import Provider as ProviderSettings
from xenci.providers.calls import Call, Calls
from xenci.providers.libvirt_errors import translated
from xenci.providers.port import ApiDown, WrongSetup

_T = TypeVar("_T")


class Connection:
    """One connection at a time, opened when it is needed; threads may share it."""

    def __init__(self, settings: ProviderSettings, uri: str, calls: Calls) -> None:
        self._settings = settings
        self._uri = uri
        self._calls = calls
        self._lock = threading.Lock()
        self._opened: Any = None

    def call(self, method: str, what: str, work: Callable[[Any], _T]) -> _T:
        """Return what `work` returns, which gets libvirt's connection. `method` is the port's; it is counted once.

        Raises ApiDown when it takes longer than `api_timeout`; what libvirt raises comes as errors of ours.
        """
        results: list[_T] = []
        errors: list[BaseException] = []
        doing = f"{method} {what}"
        self._calls.add(Call(self._settings.name, method, "libvirt"))

        def run() -> None:
            try:
                with translated(self._settings.name, self._uri, doing):
                    results.append(work(self.open()))
            except BaseException as error:  # noqa: BLE001 it is raised again below, in the caller's thread
                errors.append(error)

        limit = self._settings.api_timeout.total_seconds()
        thread = threading.Thread(target=run, daemon=True, name=f"libvirt-{self._settings.name}")
        thread.start()
        thread.join(limit)
        if results:
            return results[0]
        if not errors:
            self._forget()
            raise ApiDown(f"provider {self._settings.name}, {doing}: no answer within {limit:g} s")
        if isinstance(errors[0], ApiDown | WrongSetup) and errors[0].__cause__ is not None:
            self._forget()
        raise errors[0]

    def open(self) -> Any:
        """Return libvirt's connection."""
        import libvirt

        with self._lock:
            if self._opened is None:
                # it would write every error to standard error besides
                libvirt.registerErrorHandler(lambda _context, _error: None, None)
                self._opened = libvirt.open(self._uri)
            return self._opened

    def _forget(self) -> None:
        """Forget the connection; what still uses it in another thread keeps it until it has ended."""
        self._opened = None
