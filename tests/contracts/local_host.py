"""A small Host: this machine's own processes in place of a node's, and a little of systemd as two scripts."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from xenci.errors import NotFound
from xenci.host import push, units
from xenci.host.bridge import Bridge
from xenci.host.port import CommandFailed, HostLost, HostSlow, Output, Pipe, Unit, UnitLook


class LocalHost:
    """A node that is a folder."""

    address = "local"

    def __init__(self, folder: Path) -> None:
        self._units = folder / "units"
        systemd = folder / "systemd"
        systemd.mkdir(parents=True, exist_ok=True)
        shims = Path(__file__).parent / "systemd"
        self.environment = os.environ | {"PATH": f"{shims}:{os.environ['PATH']}", "UNITS": str(systemd)}
        #: nothing answers any more
        self.is_lost = False

    def run(self, command: str, *, timeout: timedelta, input: bytes = b"") -> Output:
        self._answer()
        try:
            done = subprocess.run(
                ["/bin/sh", "-c", command],
                input=input,
                capture_output=True,
                env=self.environment,
                timeout=timeout.total_seconds(),
            )
        except subprocess.TimeoutExpired as error:
            raise HostSlow(command) from error
        return Output(exit_code=done.returncode, stdout=done.stdout, stderr=done.stderr)

    def start_unit(self, unit: Unit) -> bool:
        return units.start(self.run, unit, folder=str(self._units))

    def stop_unit(self, unit: str) -> None:
        units.stop(self.run, unit)

    def look(self, unit: str, follow: Mapping[str, int], *, limit: int = units.LOOK_LIMIT) -> UnitLook:
        return units.look(self.run, unit, follow, limit=limit, folder=str(self._units))

    def write(self, path: str, data: bytes, *, mode: int = 0o600) -> None:
        self._answer()
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_bytes(data)
            Path(path).chmod(mode)
        except OSError as error:
            raise CommandFailed(str(error)) from error

    def read(self, path: str, *, limit: int) -> bytes:
        self._answer()
        if not Path(path).is_file():
            raise NotFound(path)
        return Path(path).read_bytes()[:limit]

    @contextmanager
    def pipe(self, command: str) -> Iterator[Pipe]:
        self._answer()
        bridge = Bridge(lambda: _Channel(command, self.environment))  # type: ignore[arg-type, return-value]
        try:
            yield bridge
        finally:
            bridge.close()

    def push_tree(self, repository: Path, commit: str, *, remote_path: str, ref: str, timeout: timedelta) -> None:
        push.push_tree(self, repository, commit, remote_path=remote_path, ref=ref, timeout=timeout)

    def close(self) -> None:
        pass

    def _answer(self) -> None:
        if self.is_lost:
            raise HostLost("lost")


class _Channel:
    """A process, as paramiko's Channel shows a command."""

    def __init__(self, command: str, environment: Mapping[str, str]) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", command], stdin=pipe, stdout=pipe, stderr=pipe, env=environment, bufsize=0
        )
        assert self._process.stdin
        assert self._process.stdout
        assert self._process.stderr
        self._in, self._out, self._err = self._process.stdin, self._process.stdout, self._process.stderr

    def recv(self, size: int) -> bytes:
        return self._out.read(size)

    def recv_stderr(self, size: int) -> bytes:
        return self._err.read(size)

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._in.write(view) :]

    def shutdown_write(self) -> None:
        self._in.close()

    @property
    def status_event(self) -> "_Channel":
        return self

    def wait(self, seconds: float) -> bool:
        """Wait for the process's end, as the event above is waited for."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def settimeout(self, seconds: float | None) -> None:
        pass

    def close(self) -> None:
        self._in.close()
        self._process.kill()
        self._process.wait()
