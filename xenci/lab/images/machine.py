"""One emulated machine outside a cloud: started cold or restored, reached by monitor and agent, ended.

It is what builds and proves the images. In the clouds the compute driver starts machines, in the same way. The machine
reaches nothing on this host (restrict=on); the host reaches its SSH port, where a port is given.
"""

import json
import os
import secrets
import shlex
import shutil
import subprocess
import time
import uuid
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path

from xenci.errors import Permanent
from xenci.lab import processes
from xenci.lab.images.qemu import Agent, Monitor, answering_agent
from xenci.lab.progress import say

_NAME = "qemu"


class NotStarted(Permanent):
    """QEMU did not start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine's folder (console.log, sockets, disk, its process) and the golden folder it is made from."""

    golden: Path
    folder: Path
    disk: Path
    #: further folders of processes (see xenci.lab.processes) that shall know it, by the name it has there
    known_to: dict[Path, str] = field(default_factory=dict)

    @property
    def console(self) -> Path:
        return self.folder / "console.log"

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def lives(self) -> bool:
        process = processes.find(self.run, _NAME)
        return process is not None and process.lives

    @property
    def cpu_seconds(self) -> float:
        """Processor time that QEMU has used: progress that a busy host does not distort. 0.0 if it does not live."""
        process = processes.find(self.run, _NAME)
        try:
            fields = Path(f"/proc/{process.pid if process else 0}/stat").read_text().rsplit(")", 1)[1].split()
        except FileNotFoundError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def start(self, *, ssh_port: int | None = None, memory: Path | None = None) -> None:
        """Start QEMU: booting, or with `memory` restored from it; SSH at 127.0.0.1:ssh_port. Raises NotStarted."""
        for name in ("qmp.sock", "agent.sock"):
            if len(str(self.folder / name)) > 107:
                raise NotStarted(f"{self.folder} is too long for a socket", remedy="Choose a shorter XENCI_CACHE_DIR")
        self.run.mkdir(parents=True, exist_ok=True)
        self.console.write_bytes(b"")
        command = [*self._command(ssh_port), *(["-incoming", f"exec:zstd -dcq {_quoted(memory)}"] if memory else [])]
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise NotStarted(done.stderr.strip()[-500:], remedy="Is a port taken, or too little memory free?")
        pid = int((self.folder / "pid").read_text())
        processes.adopt(self.run, _NAME, pid, command=command, log=self.console)
        for run, name in self.known_to.items():
            processes.adopt(run, name, pid, command=command, log=self.console)

    def _command(self, ssh_port: int | None) -> list[str]:
        arguments = json.loads((self.golden / "machine.json").read_text())["qemu"]
        values = {
            "golden": self.golden,
            "disk": self.disk,
            "console": self.console,
            "agent": self.folder / "agent.sock",
            "forwards": ",restrict=on" + (f",hostfwd=tcp:127.0.0.1:{ssh_port}-:22" if ssh_port else ""),
        }
        monitor = f"unix:{self.folder / 'qmp.sock'},server=on,wait=off"
        own = ["qemu-system-x86_64", "-daemonize", "-pidfile", str(self.folder / "pid"), "-qmp", monitor]
        return own + [argument.format(**values) for argument in arguments]

    def agent(self, seconds: float) -> Agent:
        """Return the agent, waiting until it answers. Raises NoAnswer."""
        return answering_agent(self.folder / "agent.sock", seconds, lives=lambda: self.lives)

    def monitor(self, seconds: float) -> Monitor:
        """Return QEMU's monitor, for so many seconds of conversation. Raises NoAnswer."""
        return Monitor(self.folder / "qmp.sock", seconds)

    def end(self) -> None:
        """End QEMU, if it lives, and forget it."""
        processes.end(self.run, _NAME)
        for run, name in self.known_to.items():
            (run / f"{name}.json").unlink(missing_ok=True)


def restore(golden: Path, folder: Path, *, ssh_port: int, public_key: str) -> Machine:
    """Make a machine from a golden folder as the compute driver does: restored, named, reachable by the key.

    Returns once its agent answers; SSH follows some seconds later. Raises NoAnswer or NotStarted.
    """
    folder.mkdir(parents=True)
    machine = Machine(golden=golden, folder=folder, disk=folder / "disk.qcow2")
    backing = ("-F", "qcow2", "-b", str(golden / "disk.qcow2"))
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, str(machine.disk)], check=True)
    began = time.monotonic()
    machine.start(ssh_port=ssh_port, memory=golden / "memory.zst")
    with machine.monitor(600) as monitor:
        while (status := monitor.execute("query-status")["status"]) != "running":
            if status != "inmigrate":
                monitor.execute("cont")
            time.sleep(0.1)
    meta = {
        "uuid": str(uuid.uuid4()),
        "hostname": f"{folder.name}.lab",
        "public_keys": {"lab": public_key.strip()},
        "random_seed": b64encode(secrets.token_bytes(512)).decode(),
    }
    with machine.agent(600) as agent:
        say(f"{folder.name}: restored, its agent answers after {time.monotonic() - began:.1f} s")
        agent.write("/run/instance-meta_data.json", json.dumps(meta).encode())
        agent.run("/usr/local/sbin/instance-init", repr(time.time()), "0", "")
    return machine


def remove(folder: Path) -> None:
    """End the machine of this folder, if it lives, and remove the folder."""
    Machine(golden=folder, folder=folder, disk=folder / "disk.qcow2").end()
    shutil.rmtree(folder, ignore_errors=True)


def _quoted(path: Path) -> str:
    return shlex.quote(os.fspath(path))
