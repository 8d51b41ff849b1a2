"""One machine of the lab: a folder, a QEMU process, and how the two are made, asked and ended.

A golden image is a folder:
  disk.qcow2    the disk, never written again; each server gets an overlay of it
  memory.zst    QEMU's migration stream of the running machine (without it the machine boots cold)
  machine.json  {"qemu": [arguments with {golden} {disk} {console} {agent} {forwards}]}

A server is the folder machines_path/UUID: disk.qcow2, console.log, pid, qmp.sock, agent.sock, machine.json. Nothing
else is kept, so a nova-compute that starts again finds its servers by looking. QEMU makes itself a daemon: it does not
notice when Nova is killed.
"""

import contextlib
import json
import os
import shlex
import shutil
import signal
import time

import nova.conf
from nova.virt.qmpchannel import Agent, AgentTimeout, Monitor
from oslo_concurrency import processutils
from oslo_config import cfg
from oslo_log import log as logging
from oslo_utils.imageutils import format_inspector

CONF = nova.conf.CONF
CONF.register_opts(
    [
        cfg.StrOpt("machines_path", default="$state_path/machines", help="One folder for each server."),
        cfg.StrOpt("golden_path", help="One folder for each golden image."),
        cfg.ListOpt("forwarded_ports", default=["22:22"], help="HOST:GUEST ports open at a machine's fixed address."),
        cfg.IntOpt("servers", default=4, help="How many servers of 8 GB fit."),
        cfg.IntOpt("restore_timeout", default=300, help="Seconds until a restored machine's agent answers."),
        cfg.IntOpt("boot_timeout", default=900, help="The same for a machine that boots cold."),
        cfg.IntOpt("reboot_timeout", default=120, help="Seconds for a soft reboot, before it becomes a hard one."),
    ],
    "xenmachine",
)
LOG = logging.getLogger(__name__)
#: What a monitor or an agent that does not answer comes as.
NO_ANSWER = (OSError, AgentTimeout, RuntimeError, ValueError, KeyError)
UNPRIVILEGED = "nobody"


class Machine:
    """One server's folder and QEMU process."""

    def __init__(self, uuid):
        self.uuid = uuid
        self.path = os.path.join(CONF.xenmachine.machines_path, uuid)

    def file(self, name):
        return os.path.join(self.path, name)

    @property
    def exists(self):
        return os.path.exists(self.file("machine.json"))

    @property
    def config(self):
        with open(self.file("machine.json")) as f:
            return json.load(f)

    @property
    def pid(self):
        """The process id of this machine's QEMU, or None: a recycled process id is not taken for it."""
        try:
            with open(self.file("pid")) as f:
                pid = int(f.read())
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                return pid if self.uuid.encode() in f.read() else None
        except (OSError, ValueError):
            return None

    def create(self, golden, addresses, fault, fetch=None):
        """Make the folder.  The disk is an overlay of the golden one: empty, or what fetch(path) brings, a snapshot."""
        os.makedirs(self.path)
        with open(self.file("machine.json"), "w") as f:
            json.dump({"golden": golden, "addresses": addresses, "fault": fault, "restorable": fetch is None}, f)
        disk, backing = self.file("disk.qcow2"), ("-F", "qcow2", "-b", os.path.join(golden, "disk.qcow2"))
        if fetch is None:
            processutils.execute("qemu-img", "create", "-q", "-f", "qcow2", *backing, disk)
        else:
            fetch(disk)
            format_inspector.detect_file_format(disk).safety_check()  # it names no other file
            processutils.execute("qemu-img", "rebase", "-q", "-u", "-f", "qcow2", *backing, disk)
        if os.geteuid() == 0:
            shutil.chown(disk, UNPRIVILEGED)

    def write_addresses(self, addresses):
        config = dict(self.config, addresses=addresses)
        with open(self.file("machine.json.new"), "w") as f:
            json.dump(config, f)
        os.rename(self.file("machine.json.new"), self.file("machine.json"))

    def forwards(self, addresses):
        """Return what QEMU's network is told: the ports open at the fixed addresses, and nothing else in or out."""
        pairs = [port.split(":") for port in CONF.xenmachine.forwarded_ports]
        return ",restrict=on" + "".join(
            f",hostfwd=tcp:{address}:{host}-:{guest}" for address in addresses for host, guest in pairs
        )

    def start(self, restore=False):
        """Start QEMU: restored from the golden image's memory, or booting the disk.  Tells whether it was restored."""
        config = self.config
        golden = config["golden"]
        with open(os.path.join(golden, "machine.json")) as f:
            arguments = json.load(f)["qemu"]
        values = {
            "golden": golden,
            "disk": self.file("disk.qcow2"),
            "console": self.file("console.log"),
            "agent": self.file("agent.sock"),
            "forwards": self.forwards(config["addresses"]),
        }
        memory = os.path.join(golden, "memory.zst")
        restore = restore and config["restorable"] and os.path.exists(memory)
        if restore:
            log = os.path.join(golden, "console.log")
            if os.path.exists(log):
                shutil.copyfile(log, self.file("console.log"))
        command = [
            "qemu-system-x86_64",
            "-name",
            "guest=" + self.uuid,
            "-daemonize",
            "-pidfile",
            self.file("pid"),
            "-qmp",
            f"unix:{self.file('qmp.sock')},server=on,wait=off",
        ]
        command += [argument.format(**values) for argument in arguments]
        if os.geteuid() == 0:
            command += ["-runas", UNPRIVILEGED]  # once it listens on port 22
        if config["fault"] == "dead":
            command += ["-incoming", "defer"]  # for a memory that never comes
        elif restore:
            command += ["-incoming", "exec:zstd -dcq " + shlex.quote(memory)]
        processutils.execute(*command)
        # its session gives way as this process does: under Linux's autogroups niceness counts within a session alone
        with contextlib.suppress(OSError), open(f"/proc/{self.pid}/autogroup", "w") as f:
            f.write(str(os.getpriority(os.PRIO_PROCESS, 0)))
        return restore

    def wait_restored(self, timeout):
        with Monitor(self.file("qmp.sock"), timeout) as monitor:
            while True:
                state = monitor.execute("query-status")["status"]
                if state == "running":
                    return
                if state in ("paused", "prelaunch", "postmigrate"):
                    monitor.execute("cont")
                elif state != "inmigrate":
                    raise RuntimeError("QEMU is " + state)
                time.sleep(0.1)

    def agent(self, timeout):
        return Agent(self.file("agent.sock"), timeout)

    def stop(self):
        """End QEMU: by its monitor, else by force."""
        pid = self.pid
        if pid is None:
            return
        try:
            with Monitor(self.file("qmp.sock"), 5) as monitor:
                monitor.execute("quit")
        except NO_ANSWER:
            LOG.warning("monitor of %s does not answer", self.uuid)
        if not self.wait_ended(10):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self.wait_ended(10)

    def shutdown(self, timeout):
        """Ask the machine to power off; whether or not it did, it is no more afterwards."""
        try:
            with self.agent(5) as agent:
                agent.shutdown("powerdown")
            self.wait_ended(timeout)
        except NO_ANSWER as error:
            LOG.warning("%s shuts down the hard way: %r", self.uuid, error)
        self.stop()

    def reboot(self, timeout):
        """Ask the machine to reboot; True once its processor starts from the beginning."""
        try:
            with Monitor(self.file("qmp.sock"), timeout) as monitor:
                with self.agent(5) as agent:
                    agent.shutdown("reboot")
                monitor.wait_event("RESET")
            return True
        except NO_ANSWER as error:
            LOG.warning("%s reboots the hard way: %r", self.uuid, error)
            return False

    def sync(self):
        """Ask the machine to write its caches to the disk."""
        try:
            with self.agent(5) as agent:
                agent.wait(agent.run("/bin/sync"))
        except NO_ANSWER as error:
            LOG.warning("%s does not sync its disk: %r", self.uuid, error)

    def save_disk(self, path):
        """What the machine wrote over the golden disk, into a file that stands alone (Glance takes no backing file).

        A running machine is halted meanwhile: QEMU then has written all of its own caches.
        """
        golden = os.path.join(self.config["golden"], "disk.qcow2")
        halted = self.pid is not None and self.halt()
        try:
            processutils.execute(
                "qemu-img",
                "convert",
                "-U",
                "-f",
                "qcow2",
                "-O",
                "qcow2",
                "-F",
                "qcow2",
                "-B",
                golden,
                self.file("disk.qcow2"),
                path,
            )
        finally:
            if halted:
                self.resume()
        processutils.execute("qemu-img", "rebase", "-q", "-u", "-f", "qcow2", "-b", "", path)

    def halt(self):
        """Halt the machine if it runs, and tell whether it did."""
        with Monitor(self.file("qmp.sock")) as monitor:
            running = monitor.execute("query-status")["running"]
            if running:
                monitor.execute("stop")
            return running

    def resume(self):
        """Let a halted machine go on."""
        with Monitor(self.file("qmp.sock")) as monitor:
            if monitor.execute("query-status")["status"] == "paused":
                monitor.execute("cont")

    def wait_ended(self, timeout):
        end = time.monotonic() + timeout
        while self.pid is not None:
            if time.monotonic() > end:
                return False
            time.sleep(0.1)
        return True

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)
