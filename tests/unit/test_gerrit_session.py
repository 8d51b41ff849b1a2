"""REST against servers that are not well: each is a real one on the loopback, with another answer."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from xenci.config.models import Gerrit, GerritSsh
from xenci.errors import NotFound, Permanent, Temporary, XenciError
from xenci.gerrit.failures import (
    GerritDown,
    HostileName,
    NotAllowed,
    NotGerrit,
    Refused,
    TooManyChanges,
    VoteNotTaken,
    WrongPassword,
)
from xenci.gerrit.rest import Rest, open_query
from xenci.model.change import Commit

GUARD = b")]}'\n"
SINCE = datetime(2026, 11, 1, 12, 30, tzinfo=UTC)
SHA = "a" * 40
#: status, content type, body
Answer = tuple[int, str, bytes]
Serve = Callable[[Callable[[str], Answer]], Rest]


def told(value: Any) -> Answer:
    return 200, "application/json; charset=UTF-8", GUARD + json.dumps(value).encode()


def rest_at(url: str, **kwargs: Any) -> Rest:
    ssh = GerritSsh(host="127.0.0.1", user="ci", key_file=Path("key"), host_key="ssh-ed25519 AAAA")
    settings = Gerrit(url=url, ssh=ssh, user="ci", password_env="SECRET_HERE")
    return Rest(settings, "hunter2", **kwargs)


class Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that goes away is what some tests are about."""


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return a function that starts a server which answers as told, and returns a Rest that speaks to it."""
    servers: list[ThreadingHTTPServer] = []

    def start(answer: Callable[[str], Answer]) -> Rest:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, kind, body = answer(self.path)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                if 300 <= status < 400:
                    self.send_header("Location", "/login")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        server = Server(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return rest_at(f"http://127.0.0.1:{server.server_port}/", page=2)

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def change(number: int, **more: Any) -> dict[str, Any]:
    revision = {"_number": 1, "ref": f"refs/changes/{number % 100:02d}/{number}/1", "created": "2026-11-21 16:57:26.0"}
    raw = {"_number": number, "project": "p", "branch": "master", "current_revision": SHA, "revisions": {SHA: revision}}
    return raw | more


@pytest.mark.parametrize(
    ("answer", "failure", "words"),
    [
        ((401, "text/plain", b"Unauthorized"), WrongPassword, "SECRET_HERE"),
        ((403, "text/plain", b"Applying label is restricted"), NotAllowed, "Applying label is restricted"),
        ((404, "text/plain", b"Not found: 7"), NotFound, "Not found: 7"),
        ((409, "text/plain", b"change is closed"), Refused, "change is closed"),
        ((429, "text/plain", b"slow down"), GerritDown, "slow down"),
        ((500, "text/html", b"<html>" + b"trace" * 1000), GerritDown, "Internal Server Error"),
        ((503, "text/plain", b"maintenance"), GerritDown, "maintenance"),
        ((302, "text/html", b""), NotGerrit, "/login"),
        ((200, "text/html", b"<html>Welcome</html>"), NotGerrit, "web page"),
        ((200, "text/plain", b"pong"), NotGerrit, "no JSON object"),
        ((200, "application/json", GUARD + b'{"cut": '), NotGerrit, "gerrit.url"),
        ((200, "application/json", GUARD + b"[" * 100_000), NotGerrit, "gerrit.url"),
        ((200, "application/json", GUARD + b"[]"), NotGerrit, "no JSON object"),
        ((200, "application/json", GUARD + b"{}"), NotGerrit, "without a current patch set"),
    ],
)
def test_a_wrong_answer_is_one_sentence_that_says_what_to_do(
    serve: Serve, answer: Answer, failure: type[XenciError], words: str
) -> None:
    with pytest.raises(failure) as caught:
        serve(lambda path: answer).change(7)
    assert words in caught.value.sentence
    assert "\n" not in caught.value.sentence
    assert len(caught.value.sentence) < 600
    assert "hunter2" not in caught.value.sentence
    assert isinstance(caught.value, Temporary | Permanent)


def test_a_signed_in_account_that_is_not_there_means_a_wrong_address(serve: Serve) -> None:
    with pytest.raises(NotGerrit, match=r"gerrit\.url"):
        serve(lambda path: (404, "text/plain", b"Not Found")).account()


def test_nobody_there_is_temporary() -> None:
    with pytest.raises(GerritDown, match="Connection refused"):
        rest_at("http://127.0.0.1:1/").account()


def test_an_answer_that_does_not_come_is_temporary(serve: Serve) -> None:
    asked = threading.Event()

    def never(path: str) -> Answer:
        asked.wait(30)
        return told({})

    slow = serve(never)
    impatient = rest_at(slow._web, timeout=timedelta(milliseconds=50))
    try:
        with pytest.raises(GerritDown, match=r"no answer within 0\.05 s"):
            impatient.account()
    finally:
        asked.set()


def test_all_pages_are_read_and_a_change_that_moved_between_them_is_told_once(serve: Serve) -> None:
    pages = {"0": [change(1), change(2, _more_changes=True)], "2": [change(2), change(3, _more_changes=True)]}
    asked: list[str] = []

    def answer(path: str) -> Answer:
        asked.append(path.partition("S=")[2].partition("&")[0])
        return told(pages.get(asked[-1], [change(4)]))

    found = [one.patchset.change for one in serve(answer).open_changes(["p"], since=SINCE)]
    assert found == [1, 2, 3, 4]
    assert asked == ["0", "2", "4"]


def test_a_server_that_always_has_more_is_left_after_a_while_and_it_is_said(serve: Serve) -> None:
    asked: list[str] = []

    def answer(path: str) -> Answer:
        asked.append(path)
        return told([change(1, _more_changes=True)])

    rest = serve(answer)
    rest._most_pages = 3
    with pytest.raises(TooManyChanges, match="more than 3") as caught:
        list(rest.open_changes(["p"], since=SINCE))
    assert len(asked) == 3
    assert "gerrit.reconcile_age" in caught.value.remedy


def test_a_change_that_is_told_wrong_costs_only_itself(serve: Serve) -> None:
    broken = [None, {}, change(0), change(5, revisions=[]), change(6, current_revision="z"), change(7)]
    found = list(serve(lambda path: told(broken)).open_changes(["p"], since=SINCE))
    assert [one.patchset.change for one in found] == [7]


def test_patchset_level_comments_are_asked_for_only_when_there_are_new_ones(serve: Serve) -> None:
    messages = [{"id": "m1", "message": "Patch Set 1:\n\n(1 comment)", "date": "2026-11-21 16:57:43.000000000"}]
    asked: list[str] = []

    def answer(path: str) -> Answer:
        asked.append(path)
        if path.endswith("/comments"):
            level = [{"change_message_id": m["id"], "message": f"recheck {m['id']}"} for m in messages]
            return told({"/PATCHSET_LEVEL": level, "nova/x.py": [{"change_message_id": "m1", "message": "nit"}]})
        return told(change(7, messages=messages))

    gerrit = serve(answer)
    for _ in range(2):
        assert [m.comments for m in gerrit.change(7).messages] == [("recheck m1",)]
    assert len([path for path in asked if path.endswith("/comments")]) == 1
    messages.append({"id": "m2", "message": "Patch Set 1:\n\n(2 comments)", "date": "2026-11-21 16:58:43.000000000"})
    assert [m.comments for m in gerrit.change(7).messages] == [("recheck m1",), ("recheck m2",)]


def test_a_vote_that_was_not_taken_is_said(serve: Serve) -> None:
    gerrit = serve(lambda path: told({"labels": {"Verified": 0}}))
    with pytest.raises(VoteNotTaken, match=r"Verified \+1"):
        gerrit.review(7, SHA, message="m", vote=1, tag="autogenerated:x:y")


def test_a_commit_that_is_none_is_never_put_into_an_address() -> None:
    with pytest.raises(HostileName):
        rest_at("http://127.0.0.1:1/").review(7, "../../accounts/self", message="m", vote=1, tag="t")
    with pytest.raises(HostileName):
        rest_at("http://127.0.0.1:1/").commit(7, "../../accounts/self")
    with pytest.raises(HostileName):
        rest_at("http://127.0.0.1:1/").changes_of_commit(f"{SHA} OR status:open")
    with pytest.raises(HostileName):
        rest_at("http://127.0.0.1:1/").changes_of_key("I1 OR status:open")


def test_what_a_commit_says_is_asked_for_once(serve: Serve) -> None:
    asked: list[str] = []

    def answer(path: str) -> Answer:
        asked.append(path)
        if len(asked) == 1:
            return 404, "text/plain; charset=UTF-8", b"Not found"
        return told({"message": f"Subject {len(asked)}", "parents": []})

    gerrit = serve(answer)
    with pytest.raises(NotFound):
        gerrit.commit(7, SHA)
    assert gerrit.commit(7, SHA) == gerrit.commit(7, SHA) == Commit(message="Subject 2", parents=())
    assert len(asked) == 2
    gerrit.commit(8, SHA)
    assert len(asked) == 3


def test_a_commit_with_a_parent_that_is_none_is_not_gerrits(serve: Serve) -> None:
    good: dict[str, Any] = {"message": "Subject\n\nChange-Id: I1\n", "parents": [{"commit": SHA}]}
    assert serve(lambda path: told(good)).commit(7, SHA) == Commit(message=good["message"], parents=(SHA,))
    with pytest.raises(NotGerrit):
        serve(lambda path: told(good | {"parents": [{"commit": "HEAD"}]})).commit(7, SHA)


def test_what_a_search_brings_beside_what_was_asked_for_is_left_out(serve: Serve) -> None:
    gerrit = serve(lambda path: told([change(1), change(2)]))
    assert gerrit.changes_of_commit("0" * 40) == ()
    assert gerrit.changes_of_key(f"I{'0' * 40}") == ()


def test_the_query_names_projects_and_the_time_in_utc() -> None:
    query = open_query(["openstack/nova", "^openstack/.*$", "open(stack|dev)/x"], SINCE)
    assert query == (
        'is:open (project:openstack/nova OR project:"^openstack/.*" OR project:"^open(stack|dev)/x") '
        'since:"2026-11-01 12:30:00"'
    )


@pytest.mark.parametrize("projects", [[], ['a" OR status:merged'], ["a\nb"]])
def test_a_query_that_could_ask_for_something_else_is_refused(projects: list[str]) -> None:
    with pytest.raises(HostileName):
        open_query(projects, SINCE)


def test_the_members_of_a_group_are_asked_for_by_its_whole_name(serve: Serve) -> None:
    asked: list[str] = []

    def answer(path: str) -> Answer:
        asked.append(path)
        return told([{"username": "zuul", "name": "Zuul"}, None, {"name": "No User Name CI"}])

    found = serve(answer).group_members("Third-Party CI/x?")
    assert [(one.username, one.name) for one in found] == [("zuul", "Zuul"), ("", "No User Name CI")]
    assert asked == ["/a/groups/Third-Party%20CI%2Fx%3F/members/?recursive=true"]
    with pytest.raises(NotGerrit, match="no list"):
        serve(lambda path: told({})).group_members("x")
