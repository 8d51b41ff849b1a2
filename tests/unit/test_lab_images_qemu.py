"""Conversations with QEMU and its agent, against a server of our own that says what the test wants."""

import json
import socket
import threading
from pathlib import Path

import pytest

from xenci.lab.images.qemu import Agent, Monitor, NoAnswer, Refused, answering_agent


class Peer:
    """Answers each line with what `replies` holds for its command; a missing entry closes the connection."""

    def __init__(self, path: Path, replies: dict[str, str], greeting: bytes = b"") -> None:
        self.replies, self.greeting, self.heard = replies, greeting, list[str]()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        client, _ = self.listener.accept()
        with client:
            client.sendall(self.greeting)
            for line in client.makefile("rb"):
                message = json.loads(line.lstrip(b"\xff"))
                self.heard.append(message["execute"])
                if message["execute"] == "guest-sync-delimited":
                    stale = b'{"return": {"pid": 1}}\n\xff'
                    client.sendall(stale + json.dumps({"return": message["arguments"]["id"]}).encode() + b"\n")
                elif message["execute"] in self.replies:
                    client.sendall(self.replies[message["execute"]].encode() + b"\n")
                else:
                    return


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "s"


def test_the_monitor_greets_and_skips_events_before_an_answer(place: Path) -> None:
    replies = {
        "qmp_capabilities": '{"return": {}}',
        "query-status": '{"event": "RESUME"}\n{"return": {"status": "running"}}',
    }
    peer = Peer(place, replies, b'{"QMP": {}}\n')
    with Monitor(place, 10) as monitor:
        assert monitor.execute("query-status") == {"status": "running"}
    assert peer.heard == ["qmp_capabilities", "query-status"]


def test_a_refusal_is_told_with_qemus_words(place: Path) -> None:
    Peer(place, {"qmp_capabilities": '{"return": {}}', "migrate": '{"error": {"desc": "no disk"}}'}, b'{"QMP": {}}\n')
    with Monitor(place, 10) as monitor, pytest.raises(Refused, match="migrate: no disk"):
        monitor.execute("migrate", uri="exec:false")


def test_the_agent_skips_what_was_meant_for_somebody_before_us(place: Path) -> None:
    Peer(
        place,
        {"guest-exec": '{"return": {"pid": 77}}', "guest-exec-status": '{"return": {"exited": true, "exitcode": 3}}'},
    )
    with Agent(place, 10) as agent:
        assert agent.run("/bin/false") == 77
        assert agent.exit_code(77) == 3


@pytest.mark.parametrize(
    ("status", "code"),
    [('{"exited": false}', None), ('{"exited": true, "exitcode": 0}', 0), ('{"exited": true, "signal": 9}', 137)],
)
def test_the_end_of_a_program_is_its_exit_code_also_when_it_was_killed(
    place: Path, status: str, code: int | None
) -> None:
    Peer(place, {"guest-exec-status": f'{{"return": {status}}}'})
    with Agent(place, 10) as agent:
        assert agent.exit_code(1) == code


def test_a_connection_that_closes_is_no_answer(place: Path) -> None:
    Peer(place, {"qmp_capabilities": '{"return": {}}'}, b'{"QMP": {}}\n')
    with Monitor(place, 10) as monitor, pytest.raises(NoAnswer, match="closed"):
        monitor.execute("quit")


def test_a_machine_that_ended_is_not_waited_for(place: Path) -> None:
    with pytest.raises(NoAnswer, match="the machine ended"):
        answering_agent(place, 600, lives=lambda: False)
