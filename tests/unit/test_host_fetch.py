"""What a hostile node may send in place of its logs."""

import gzip
import io
import random
import socket
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenci.host.fetch import Folder, Limits, fetch
from xenci.host.port import CommandFailed, Host, HostOdd, HostSlow
from xenci.rules.names import is_plain

WIDE = Limits(max_file=1 << 20, max_total=1 << 24, max_files=100)


def archive(*entries: tuple[str, bytes, bytes], format: int = tarfile.USTAR_FORMAT) -> bytes:
    """A tar archive of names, kinds and contents."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=format) as tar:
        for name, kind, content in entries:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, len(content), "/etc/passwd"
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def read(data: bytes, limits: Limits = WIDE) -> tuple[dict[str, bytes], Folder]:
    folder = Folder(io.BytesIO(data), limits)
    return {file.name: file.read() for file in folder}, folder


def test_plain_files_come_whole_and_in_order() -> None:
    files, folder = read(archive(("./b/c.log", b"0", b"1" * 1000), ("./a", b"0", b"")))
    assert list(files.items()) == [("b/c.log", b"1" * 1000), ("a", b"")]
    assert folder.refused == []


@pytest.mark.parametrize(
    "name",
    [
        "../a",
        "/etc/passwd",
        "a/../b",
        "a//b",
        ".hidden",
        "a/.b",
        "a b",
        "a\nb",
        "ä",
        "",
        "a/",
        "a/b/c/d/e/f/g",
    ],
)
def test_names_that_are_not_plain_are_refused_and_what_follows_comes(name: str) -> None:
    files, folder = read(archive((name, b"0", b"x" * 600), ("good", b"0", b"y")))
    assert files == {"good": b"y"}
    assert [refused.reason for refused in folder.refused] == ["no plain name"]


@pytest.mark.parametrize("kind", [b"1", b"2", b"3", b"4", b"6", b"7", b"S"])
def test_links_devices_and_pipes_are_refused(kind: bytes) -> None:
    content = b"x" * 600 if kind in b"7S" else b""
    files, folder = read(archive(("link", kind, content), ("good", b"0", b"y")))
    assert files == {"good": b"y"}
    assert [refused.name for refused in folder.refused] == ["link"]


def test_long_names_and_extended_headers_are_refused_as_what_they_are() -> None:
    for format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        files, folder = read(archive(("d/" * 3 + "n" * 200, b"0", b"x"), ("good", b"0", b"y"), format=format))
        assert files["good"] == b"y"
        assert folder.refused[0].reason == "no plain file"


def test_the_same_name_twice_is_taken_once() -> None:
    files, folder = read(archive(("a", b"0", b"first"), ("a", b"0", b"second")))
    assert files == {"a": b"first"}
    assert folder.refused[0].reason == "a name that was there before"


def test_a_long_file_is_cut_and_what_follows_comes() -> None:
    data = archive(("a", b"0", b"x" * 3000), ("b", b"0", b"y"))
    folder = Folder(io.BytesIO(data), Limits(max_file=1000, max_total=9999, max_files=9))
    files = [(file.name, file.is_cut, file.size, file.read()) for file in folder]
    assert files == [("a", True, 3000, b"x" * 1000), ("b", False, 1, b"y")]


def test_a_file_that_nobody_reads_is_stepped_over() -> None:
    folder = Folder(io.BytesIO(archive(("a", b"0", b"x" * 3000), ("b", b"0", b"y"))), WIDE)
    assert [file.name for file in folder] == ["a", "b"]


def test_more_files_than_allowed_end_it() -> None:
    many = archive(*((f"f{i}", b"0", b"") for i in range(20)))
    files, folder = read(many, Limits(max_file=1, max_total=9999, max_files=5))
    assert len(files) == 5
    assert folder.refused[0].reason == "more than 5 files; none after it is taken"


def test_more_bytes_than_allowed_end_it_before_they_are_read() -> None:
    header = archive(("huge", b"0", b""))[:512]
    lying = bytearray(header)
    lying[124:136] = b"77777777777\0"
    lying[148:156] = b" " * 8
    lying[148:156] = b"%06o\0 " % sum(lying)
    limits = Limits(max_file=9, max_total=10**6, max_files=9)
    files, folder = read(archive(("a", b"0", b"x"))[:1024] + bytes(lying), limits)
    assert files == {"a": b"x"}
    assert "more than 1000000 bytes" in folder.refused[0].reason


def fetched(data: bytes, *, hangs: bool = False, limit: float = 30) -> dict[str, bytes]:
    """Fetch from a node that sends these bytes."""
    node = cast(Host, Node(data, hangs=hangs))
    with fetch(node, "/logs", limits=WIDE, timeout=timedelta(seconds=limit)) as folder:
        return {file.name: file.read() for file in folder}


@given(st.integers(0, 3 * 512), st.binary(min_size=1, max_size=64))
def test_damaged_archives_end_and_never_give_a_bad_name(at: int, damage: bytes) -> None:
    data = bytearray(archive(("a", b"0", b"x"), ("b", b"0", b"y")))
    data[at : at + len(damage)] = damage
    try:
        assert all(is_plain(name) for name in fetched(gzip.compress(bytes(data))))
    except HostOdd:
        return


def test_a_stream_that_breaks_off_is_odd_at_every_place() -> None:
    whole = gzip.compress(archive(("a", b"0", random.Random(1).randbytes(4096))))
    for end in range(1, 4096, 97):
        with pytest.raises(HostOdd):
            fetched(whole[:end])


def test_a_node_that_sends_nothing_has_no_logs() -> None:
    with pytest.raises(CommandFailed, match="it complains"):
        fetched(b"")


def test_a_node_that_does_not_end_is_given_up() -> None:
    for data in (b"", gzip.compress(archive(("a", b"0", b"x")))[:40]):
        with pytest.raises(HostSlow):
            fetched(data, hangs=True, limit=0.05)


class Socket:
    """A pipe that says the same to everybody."""

    complaint = "it complains"

    def __init__(self, path: Path) -> None:
        self.path = path


class Node:
    """As much of a Host as fetch() needs: each pipe gives the same bytes, and then ends, or does not."""

    address = "node"

    def __init__(self, data: bytes, *, hangs: bool = False) -> None:
        self._data, self._hangs = data, hangs

    @contextmanager
    def pipe(self, command: str) -> Iterator[Socket]:
        assert "tar" in command
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
            path = Path(folder, "s")
            listener.bind(str(path))
            listener.listen()
            speaker = threading.Thread(target=self._speak, args=(listener,))
            speaker.start()
            yield Socket(path)
            speaker.join()

    def _speak(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            try:
                connection.sendall(self._data)
                if not self._hangs:
                    connection.shutdown(socket.SHUT_WR)
                while connection.recv(1):
                    pass
            except (BrokenPipeError, ConnectionResetError):
                return
