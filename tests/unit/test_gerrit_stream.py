"""The event stream against a real SSH server on the loopback, which sends what it is told to, piece by piece."""

import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import paramiko
import pytest

from xenci.errors import Permanent, Temporary
from xenci.gerrit import stream as gerrit_stream
from xenci.gerrit.failures import BadKey, GerritDown, HostKeyChanged, KeyRefused, NotAllowed, StreamLost
from xenci.gerrit.stream import SshStream, private_key, public_key

END = object()


class Gerrit(paramiko.ServerInterface):
    """Lets one key in and sends what is put into `packets`: bytes, (exit code, words), or END for a cut connection."""

    def __init__(self) -> None:
        self.host_key: paramiko.PKey = paramiko.ECDSAKey.generate()
        self.allowed: paramiko.PKey | None = None
        self.packets: queue.Queue[Any] = queue.Queue()
        self.commands: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.transports: list[paramiko.Transport] = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                accepted, _ = self.listener.accept()
                transport = paramiko.Transport(accepted)
                transport.set_log_channel("xenci.gerrit.paramiko")
                transport.add_server_key(self.host_key)
                self.transports.append(transport)
                # a client that leaves in the middle, as one that does not know our key does, is no end of the server
                with suppress(paramiko.SSHException, EOFError, OSError):
                    transport.start_server(server=self)

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return paramiko.AUTH_SUCCESSFUL if key == self.allowed else paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.commands.append(command)
        threading.Thread(target=self.send, args=(channel,), daemon=True).start()
        return True

    def send(self, channel: paramiko.Channel) -> None:
        with suppress(OSError):
            while True:
                match self.packets.get():
                    case bytes() as packet:
                        channel.sendall(packet)
                    case (int() as exit_code, bytes() as words):
                        channel.sendall_stderr(words)
                        channel.send_exit_status(exit_code)
                        channel.close()
                        return
                    case _:
                        channel.get_transport().close()
                        return

    def end(self) -> None:
        self.listener.close()
        for transport in self.transports:
            transport.close()


@pytest.fixture
def gerrit() -> Iterator[Gerrit]:
    server = Gerrit()
    yield server
    server.end()


@pytest.fixture
def key_file(tmp_path: Path, gerrit: Gerrit) -> Path:
    path = tmp_path / "key"
    key = paramiko.ECDSAKey.generate()
    key.write_private_key_file(str(path))
    gerrit.allowed = key
    return path


def stream(gerrit: Gerrit, key_file: Path, **changed: Any) -> SshStream:
    key = gerrit.host_key
    known = {"host": "127.0.0.1", "port": gerrit.port, "user": "ci", "key_file": key_file}
    known |= {"host_key": f"{key.get_name()} {key.get_base64()}"}
    return SshStream(**(known | changed))


def heard(lines: Iterator[bytes | None], count: int) -> list[bytes]:
    """Return the next lines, ticks left out."""
    found: list[bytes] = []
    while len(found) < count:
        line = next(lines)
        if line is not None:
            found.append(line)
    return found


def test_lines_arrive_whole_whatever_the_packets(gerrit: Gerrit, key_file: Path) -> None:
    for packet in (b'{"a":1}\n{"b":2}\n{"c"', b":3}\nnot json\n", b'{"d":4}\n'):
        gerrit.packets.put(packet)
    events = stream(gerrit, key_file)
    assert heard(events.lines(), 5) == [b'{"a":1}', b'{"b":2}', b'{"c":3}', b"not json", b'{"d":4}']
    assert gerrit.commands == [b"gerrit stream-events"]


def test_silence_is_told_by_ticks(gerrit: Gerrit, key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gerrit_stream, "_TICK_S", 0.05)
    lines = stream(gerrit, key_file).lines()
    assert next(lines) is None
    gerrit.packets.put(b"one\n")
    assert heard(lines, 1) == [b"one"]


def test_a_cut_connection_is_temporary_and_its_half_line_is_not_lost(gerrit: Gerrit, key_file: Path) -> None:
    lines = stream(gerrit, key_file).lines()
    gerrit.packets.put(b"whole\nhalf")
    assert heard(lines, 1) == [b"whole"]
    gerrit.packets.put(END)
    assert heard(lines, 1) == [b"half"]
    with pytest.raises(StreamLost) as caught:
        heard(lines, 1)
    assert isinstance(caught.value, Temporary)


def test_the_same_stream_can_be_heard_again_after_a_loss(gerrit: Gerrit, key_file: Path) -> None:
    events = stream(gerrit, key_file)
    gerrit.packets.put(END)
    with pytest.raises(StreamLost):
        heard(events.lines(), 1)
    gerrit.packets.put(b"again\n")
    assert heard(events.lines(), 1) == [b"again"]


def test_close_from_another_thread_ends_it(gerrit: Gerrit, key_file: Path) -> None:
    events = stream(gerrit, key_file)
    connected, told = threading.Event(), []

    def listen() -> None:
        for line in events.lines():
            told.append(line)
            connected.set()

    listener = threading.Thread(target=listen)
    gerrit.packets.put(b"one\n")
    listener.start()
    assert connected.wait(60)
    events.close()
    listener.join(60)
    assert not listener.is_alive()
    assert told[0] == b"one"
    assert list(events.lines()) == []


def test_close_ends_a_connection_that_is_still_being_made(key_file: Path, gerrit: Gerrit) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        events = stream(gerrit, key_file, port=mute.getsockname()[1])
        listener = threading.Thread(target=lambda: list(events.lines()))
        listener.start()
        accepted, _ = mute.accept()
        events.close()
        listener.join(60)
        assert not listener.is_alive()
        accepted.close()


def test_a_changed_host_key_is_refused_with_both_fingerprints_and_never_learned(gerrit: Gerrit, key_file: Path) -> None:
    pinned = gerrit.host_key
    events = stream(gerrit, key_file)
    gerrit.host_key = paramiko.ECDSAKey.generate()
    for _ in range(2):
        with pytest.raises(HostKeyChanged) as caught:
            next(events.lines())
        assert isinstance(caught.value, Permanent)
        assert pinned.fingerprint in caught.value.detail
        assert gerrit.host_key.fingerprint in caught.value.detail
        assert "gerrit.ssh.host_key" in caught.value.remedy
    assert gerrit.commands == []


def test_a_host_key_of_another_kind_is_a_changed_one(gerrit: Gerrit, key_file: Path) -> None:
    events = stream(gerrit, key_file)
    gerrit.host_key = paramiko.RSAKey.generate(2048)
    with pytest.raises(HostKeyChanged, match="ssh-rsa"):
        next(events.lines())
    assert gerrit.commands == []


def test_a_key_that_gerrit_does_not_know_is_said_with_its_file(gerrit: Gerrit, key_file: Path) -> None:
    gerrit.allowed = paramiko.ECDSAKey.generate()
    with pytest.raises(KeyRefused, match=str(key_file)):
        next(stream(gerrit, key_file).lines())


def test_a_missing_right_is_permanent_and_in_gerrits_words(gerrit: Gerrit, key_file: Path) -> None:
    gerrit.packets.put((1, b"stream events not permitted\n"))
    with pytest.raises(NotAllowed, match=r"stream events not permitted\. Ask for"):
        heard(stream(gerrit, key_file).lines(), 1)


def test_a_server_that_ends_the_stream_in_peace_is_temporary(gerrit: Gerrit, key_file: Path) -> None:
    gerrit.packets.put((0, b""))
    with pytest.raises(StreamLost):
        heard(stream(gerrit, key_file).lines(), 1)


def test_nobody_there_is_temporary(gerrit: Gerrit, key_file: Path) -> None:
    with pytest.raises(GerritDown, match="Connection refused"):
        next(stream(gerrit, key_file, port=1).lines())


def test_the_kernel_gives_up_a_connection_whose_packets_are_not_acknowledged(gerrit: Gerrit, key_file: Path) -> None:
    dialled: list[socket.socket] = []

    def connect(*args: Any, **kwargs: Any) -> socket.socket:
        dialled.append(socket.create_connection(*args, **kwargs))
        return dialled[-1]

    gerrit.packets.put(b"one\n")
    lines = stream(gerrit, key_file, connect=connect).lines()
    assert heard(lines, 1) == [b"one"]
    assert dialled[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 90_000


@pytest.mark.parametrize("text", ["", "junk", "ssh-ed25519", "ssh-ed25519 !!", "ssh-ed25519 AAAA", "ssh-none AAAAB3Nz"])
def test_a_pinned_key_that_is_none_is_said(text: str) -> None:
    with pytest.raises(BadKey, match=r"gerrit\.ssh\.host_key"):
        public_key(text)


def test_a_private_key_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadKey, match="is not there"):
        private_key(tmp_path / "none")
    (tmp_path / "junk").write_text("junk")
    with pytest.raises(BadKey, match="passphrase"):
        private_key(tmp_path / "junk")
    paramiko.ECDSAKey.generate().write_private_key_file(str(tmp_path / "locked"), password="secret")
    with pytest.raises(BadKey, match="passphrase"):
        private_key(tmp_path / "locked")
