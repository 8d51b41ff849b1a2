"""What a simulation is fed with: traffic that is generated or recorded, lengths, and what is refused."""

import json
from collections import Counter
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.simulated import endings, event, world
from xenci.simulate.engine import CannotSimulate, simulate
from xenci.simulate.figures import figures
from xenci.simulate.installation import Scenario, assumed
from xenci.simulate.lengths import Length, WrongLength
from xenci.simulate.stream import NoTraffic, read
from xenci.simulate.traffic import Assumptions, generate

RECORDED = Path(__file__).parents[1] / "data" / "gerrit" / "lab-gerrit-3.9.4-stream.jsonl"


def test_the_same_seed_is_the_same_week_and_the_same_world() -> None:
    assert list(generate(Assumptions(seed=7))) == list(generate(Assumptions(seed=7)))
    assert list(generate(Assumptions(seed=7))) != list(generate(Assumptions(seed=8)))
    traffic = read(generate(Assumptions(seed=7, days=1)))
    runs = [figures(simulate(traffic.events, assumed(), Scenario(nodes=3)), {}) for _ in range(2)]
    assert runs[0] == runs[1]
    assert runs[0] != figures(simulate(traffic.events, assumed(), Scenario(nodes=3, seed=2)), {})


def test_a_generated_stream_states_its_assumptions_first_and_keeps_to_them() -> None:
    assumptions = Assumptions(seed=4, days=14)
    first, *events = list(generate(assumptions))
    told = json.loads(first)
    assert told["note"].startswith("synthetic traffic: every rate is an assumption")
    assert {key: told[key] for key in asdict(assumptions)} == asdict(assumptions)
    at = [json.loads(line)["eventCreatedOn"] for line in events]
    assert at == sorted(at)
    traffic = read([first, *events])
    assert traffic.assumptions["seed"] == 4
    assert (traffic.left_out, traffic.without_files) == (0, 0)
    kinds = Counter(event.type for event in traffic.events)
    rechecks = kinds["comment-added"] - kinds["patchset-created"]
    assert rechecks / kinds["patchset-created"] == pytest.approx(0.25, rel=0.3)


def test_a_recorded_stream_is_read_and_says_what_it_does_not_tell() -> None:
    traffic = read(RECORDED.read_bytes().splitlines())
    assert traffic.assumptions == {}
    assert traffic.without_files > 0
    assert traffic.left_out > 0
    outcome = simulate(traffic.events, assumed(), Scenario(nodes=2))
    assert set(endings(outcome)) <= {"reported", "withdrawn", "copied"}


@pytest.mark.parametrize(
    ("text", "mean", "spread"),
    [("12m", 12, 0), ("75m±20", 75, 20), ("75m+-20", 75, 20), ("1h ± 10m", 60, 10), ("1.5h", 90, 0)],
)
def test_lengths_are_read(text: str, mean: int, spread: int) -> None:
    assert Length.parse(text) == Length(mean=timedelta(minutes=mean), spread=timedelta(minutes=spread))


@pytest.mark.parametrize("text", ["", "12", "12m±", "10m±11", "-3m", "ten minutes"])
def test_what_is_no_length_is_told(text: str) -> None:
    with pytest.raises(WrongLength):
        Length.parse(text)


def test_worlds_that_would_never_end_are_refused() -> None:
    with pytest.raises(CannotSimulate):
        world(event(0), failures=0.95)
    with pytest.raises(CannotSimulate):
        world(event(0), there=assumed(quotas=(0, 0)))
    with pytest.raises(NoTraffic):
        read([b"{}", b"no json"])
