"""A stream of results that is not whole forbids both votes, and the reason says what is lost of it."""

import json

import pytest

from tests.contracts.memory_store import MemoryStore
from tests.flows.node import TEST, go_on, phases, scripted, subunit
from tests.flows.world import World

GOOD = subunit({TEST: "success"})
BAD = subunit({TEST: "fail"})
#: a packet with a byte of its checksum flipped, behind sound ones
FLIPPED = GOOD[:-1] + bytes([GOOD[-1] ^ 1])
WRONG = GOOD + FLIPPED[len(FLIPPED) // 2 :]


@pytest.mark.parametrize(
    ("stream", "said"),
    [(WRONG, "belong to no whole packet"), (GOOD + GOOD[:30], "belong to no whole packet")],
    ids=["wrong checksum", "ends within a packet"],
)
def test_a_damaged_stream_of_passed_tests_is_no_success(world: World, stream: bytes, said: str) -> None:
    build, node = scripted(world)
    node.files["tempest-first.subunit"] = stream
    row = go_on(world, build)
    assert (row.result, row.fault) == ("ERROR", "infra")
    assert said in " ".join(row.reasons)
    assert said in dict(phases(row))["tempest-first"].outcome
    assert world.reports() == []


def test_a_whole_stream_with_words_between_its_packets_is_a_success(world: World) -> None:
    build, node = scripted(world)
    node.files["tempest-first.subunit"] = b"a warning\n" + GOOD + b"\x1b[1mthe end\x1b[0m\n"
    row = go_on(world, build)
    assert (row.result, row.fault) == ("SUCCESS", "none")
    assert [report.vote for report in world.reports()] == [1]


def test_a_copy_that_came_to_its_limit_is_told_and_nothing_more_is_waited_for(world: World) -> None:
    world.ctx.artifacts = MemoryStore(max_file=len(GOOD) + 10)
    build, node = scripted(world)
    node.files["tempest-first.subunit"] = GOOD * 40_000
    row = go_on(world, build)
    assert (row.result, row.fault) == ("ERROR", "infra")
    assert f"longer than the {len(GOOD) + 10} bytes" in " ".join(row.reasons)
    ended = dict(phases(row))["tempest-first"]
    assert ended.finished_at is not None
    assert ended.finished_at < ended.deadline_at


@pytest.mark.parametrize("broken", ["first", "again", "tip", None])
def test_a_minus_one_needs_three_whole_streams(world: World, broken: str | None) -> None:
    build, node = scripted(world)
    streams = {"first": BAD, "again": BAD, "tip": GOOD}
    for run, stream in streams.items():
        node.ends[f"tempest-{run}"] = 0
        node.files[f"tempest-{run}.subunit"] = stream + (stream[:30] if run == broken else b"")
    row = go_on(world, build)
    if broken is None:
        assert (row.result, row.fault) == ("FAILURE", "change")
        assert [report.vote for report in world.reports()] == [-1]
        return
    assert (row.result, row.fault) == ("ERROR", "infra")
    assert "damaged" in json.dumps(row.reasons)
    assert world.reports() == []
    assert list(streams)[-1] != broken or "tempest-tip" in node.started
    assert broken == "tip" or "tempest-tip" not in node.started
