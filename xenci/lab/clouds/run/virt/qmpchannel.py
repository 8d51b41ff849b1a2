"""Conversations with QEMU: its monitor (QMP) and the guest agent, each JSON lines over a Unix socket."""

import base64
import json
import socket
import time


class AgentTimeout(Exception):
    """The other side said nothing in time."""


class Channel:
    """A JSON conversation over a Unix socket: QMP, or the guest agent."""

    def __init__(self, path, timeout):
        self.deadline = time.monotonic() + timeout
        self.buffer = b""
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(path)
            self.greet()
        except BaseException:
            self.socket.close()  # both let one client in at a time
            raise

    def greet(self):
        """What comes before the first command."""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.socket.close()

    def send(self, command, prefix=b"", **arguments):
        message = {"execute": command}
        if arguments:
            message["arguments"] = arguments
        self.socket.sendall(prefix + json.dumps(message).encode() + b"\n")

    def receive(self):
        while b"\n" not in self.buffer:
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise AgentTimeout()
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                raise AgentTimeout() from None
            if not data:
                raise ConnectionError("closed")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line

    def execute(self, command, **arguments):
        self.send(command, **arguments)
        while True:
            answer = json.loads(self.receive())
            if "error" in answer:
                raise RuntimeError(f"{command}: {answer['error'].get('desc')}")
            if "return" in answer:
                return answer["return"]


class Monitor(Channel):
    """QEMU's monitor."""

    def __init__(self, path, timeout=10):
        super().__init__(path, timeout)

    def greet(self):
        self.receive()
        self.execute("qmp_capabilities")

    def wait_event(self, name):
        """Wait for QEMU to tell an event."""
        while json.loads(self.receive()).get("event") != name:
            pass


class Agent(Channel):
    """The QEMU guest agent.  It has `timeout` seconds to answer at all, then `patience` for everything else."""

    def __init__(self, path, timeout, patience=60):
        self.patience = patience
        super().__init__(path, timeout)

    def greet(self):
        token = int(time.time() * 1000) % 2**31
        self.send("guest-sync-delimited", prefix=b"\xff", id=token)
        while True:
            line = self.receive().split(b"\xff")[-1]
            try:
                if json.loads(line).get("return") == token:
                    self.deadline = time.monotonic() + self.patience
                    return
            except ValueError:
                pass

    def write_file(self, path, data):
        handle = self.execute("guest-file-open", path=path, mode="w")
        for start in range(0, len(data), 32768):
            self.execute(
                "guest-file-write", handle=handle, **{"buf-b64": base64.b64encode(data[start : start + 32768]).decode()}
            )
        self.execute("guest-file-close", handle=handle)

    def run(self, *command):
        return self.execute("guest-exec", path=command[0], arg=list(command[1:]))["pid"]

    def wait(self, pid):
        """Wait until a process that run() started has ended; its exit code."""
        while True:
            status = self.execute("guest-exec-status", pid=pid)
            if status["exited"]:
                return status.get("exitcode")
            time.sleep(0.2)

    def shutdown(self, mode):
        """Ask the machine to power down or to reboot.  The agent says nothing if it does; an error comes at once."""
        self.send("guest-shutdown", mode=mode)
        self.deadline = time.monotonic() + 2
        try:
            answer = json.loads(self.receive())
        except (AgentTimeout, ConnectionError):
            return
        if "error" in answer:
            raise RuntimeError(f"guest-shutdown: {answer['error'].get('desc')}")
