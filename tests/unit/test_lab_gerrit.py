"""The parts of the lab's Gerrit that need no Gerrit: the war in the cache, passwords, REST's words."""

import http.server
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from xenci.lab import passwords
from xenci.lab.gerrit import rest, war
from xenci.lab.paths import LabPaths


@pytest.fixture
def paths(tmp_path: Path) -> LabPaths:
    return LabPaths(state=tmp_path / "state", cache=tmp_path / "cache", port=15000)


def maven_that(does: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program named mvn first on the PATH; `$out` is the folder that it is asked to write to."""
    folder.mkdir()
    program = folder / "mvn"
    find_folder = "for word; do case $word in -DoutputDirectory=*) out=${word#*=};; esac; done"
    program.write_text(f'#!/bin/sh\n{find_folder}\nmkdir -p "$out"\n{does}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_a_war_that_is_missing_or_damaged_is_noticed(tmp_path: Path) -> None:
    assert war.flaw(tmp_path / "gerrit.war") == "is not cached yet"
    (tmp_path / "gerrit.war").write_bytes(b"half of it")
    assert war.flaw(tmp_path / "gerrit.war") == "is damaged"


def test_the_war_is_taken_over_whole(paths: LabPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(war, "SHA256", "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881")  # of "x"
    maven_that('printf x > "$out/gerrit-war.war"', tmp_path / "bin", monkeypatch)
    assert war.ensure(paths).read_text() == "x"
    (war.path(paths)).write_text("damaged meanwhile")
    assert war.ensure(paths).read_text() == "x"


def test_another_file_than_the_pinned_one_never_becomes_the_war(
    paths: LabPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maven_that('printf x > "$out/gerrit-war.war"', tmp_path / "bin", monkeypatch)
    with pytest.raises(war.CannotFetch, match="not the pinned release"):
        war.ensure(paths)
    assert not war.path(paths).exists()


def test_mavens_own_words_are_told(paths: LabPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maven_that("echo '[ERROR] no route to the registry'; exit 1", tmp_path / "bin", monkeypatch)
    with pytest.raises(war.CannotFetch, match="no route to the registry"):
        war.ensure(paths)


def test_a_password_is_random_kept_and_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "lab" / "secrets.env"
    first = passwords.ensure(file, "ONE_PASSWORD")
    second = passwords.ensure(file, "OTHER_PASSWORD")
    assert first != second
    assert len(first) >= 32
    assert passwords.ensure(file, "ONE_PASSWORD") == first
    assert passwords.read(file) == {"ONE_PASSWORD": first, "OTHER_PASSWORD": second}
    assert file.stat().st_mode & 0o777 == 0o600


def test_passwords_of_a_lab_that_never_was_are_none(tmp_path: Path) -> None:
    assert passwords.read(tmp_path / "secrets.env") == {}


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers as Gerrit does: the guard before JSON, plain words with a refusal."""

    def do_GET(self) -> None:
        status, body = {
            "/a/changes/1": (200, ")]}'\n" + json.dumps({"_number": 1, "user": self.headers["Authorization"]})),
            "/a/changes/2": (403, "submit not permitted\n"),
        }.get(self.path, (404, f"Not found: {self.path}"))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_an_answer_is_read_past_gerrits_guard_and_the_person_is_signed_in(server: str) -> None:
    assert rest.Rest(server, "dev", "pw").get("changes/1") == {"_number": 1, "user": "Basic ZGV2OnB3"}


def test_a_refusal_tells_who_was_refused_what_in_gerrits_words(server: str) -> None:
    with pytest.raises(rest.Refused, match="GET changes/2 as dev: 403 submit not permitted") as refused:
        rest.Rest(server, "dev", "pw").get("changes/2")
    assert refused.value.status == 403


def test_an_expected_refusal_is_no_error(server: str) -> None:
    assert rest.Rest(server, "dev", "pw").call("GET", "changes/2", ok={403}) is None


def test_a_gerrit_that_is_gone_may_come_back(server: str) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as closed:
        port = closed.server_port
    with pytest.raises(rest.Silent, match="lab logs gerrit"):
        rest.Rest(f"http://127.0.0.1:{port}", "dev", "pw").get("changes/1")
