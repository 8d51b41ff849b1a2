"""Lines of Gerrit's stream: a recorded afternoon, and what is left when lines are cut, mixed or made up."""

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xenci.gerrit.parse import change_ref, parse_event
from xenci.gerrit.port import BadLine, Event

RECORDED = (Path(__file__).parents[1] / "data" / "gerrit" / "lab-gerrit-3.9.4-stream.jsonl").read_bytes().splitlines()


def parsed(**changed: Any) -> Event:
    """Parse a comment-added event that is changed in some of its keys; a value of None takes the key away."""
    raw = {
        "type": "comment-added",
        "eventCreatedOn": 1795230990,
        "author": {"username": "reviewer", "name": "A Reviewer", "email": "reviewer@example.org"},
        "comment": "Patch Set 2:\n\nrecheck",
        "change": {"project": "openstack/nova", "branch": "master", "number": 61, "id": "I1", "subject": "s"},
        "patchSet": {"number": 2, "revision": "a" * 40, "ref": "refs/changes/61/61/2", "createdOn": 1795230983},
    }
    raw |= changed
    event = parse_event(json.dumps({key: value for key, value in raw.items() if value is not None}).encode())
    assert isinstance(event, Event)
    return event


def events() -> list[Event]:
    found = [parse_event(line) for line in RECORDED]
    assert all(isinstance(event, Event) for event in found)
    return [event for event in found if isinstance(event, Event)]


def test_every_recorded_line_is_an_event_with_its_type_and_time() -> None:
    assert Counter(event.type for event in events()) == Counter(json.loads(line)["type"] for line in RECORDED)
    assert all(event.at > datetime(2026, 1, 1, tzinfo=UTC) for event in events())


def test_an_upload_tells_all_of_the_patch_set() -> None:
    upload = next(e for e in events() if e.type == "patchset-created" and e.patchset and e.patchset.label == "61,2")
    patchset = upload.patchset
    assert patchset is not None
    assert (patchset.project, patchset.branch, patchset.ref) == ("openstack/nova", "master", "refs/changes/61/61/2")
    assert patchset.sha == "5b6487996a2337f78ff4e2677bd2345a352688c1"
    assert (patchset.kind, patchset.status, patchset.topic) == ("NO_CODE_CHANGE", "NEW", "docs")
    assert (patchset.owner.username, patchset.wip) == ("dev", False)
    assert patchset.uploaded_at == datetime.fromtimestamp(1795230984, UTC)
    assert upload.is_work


def test_work_in_progress_is_told_until_it_is_ended() -> None:
    wip = [e.patchset.wip for e in events() if e.type in ("patchset-created", "wip-state-changed") and e.patchset]
    assert wip[:2] == [True, False]


def test_a_merged_change_has_the_status_merged() -> None:
    merged = next(event for event in events() if event.type == "change-merged")
    assert merged.patchset is not None
    assert merged.patchset.status == "MERGED"


def test_a_recorded_comment_has_its_text_author_and_patch_set() -> None:
    texts = [e.message.text for e in events() if e.message is not None and e.message.author.username == "reviewer"]
    assert "Patch Set 1:\n\nrecheck" in texts
    assert "Patch Set 1: Code-Review-1\n\nplease do not recheck this" in texts
    assert all(e.message.patchset == e.patchset.number for e in events() if e.message and e.patchset)
    assert {event.type for event in events() if event.message is not None} == {"comment-added"}


def test_moves_of_a_changes_own_references_are_no_work() -> None:
    moved = [event for event in events() if event.type == "ref-updated"]
    own = [event for event in moved if event.ref.startswith("refs/changes/")]
    assert any(event.ref.endswith("/meta") for event in own)
    assert not any(event.is_work for event in own)
    assert [event.ref for event in moved if event.is_work] == ["refs/heads/master", "refs/heads/stable/2025.1"]
    assert {event.project for event in moved} == {"openstack/nova"}


def test_an_event_about_a_change_without_a_patch_set_is_no_work() -> None:
    topic = next(event for event in events() if event.type == "topic-changed")
    assert topic.patchset is None
    assert topic.author is not None
    assert not topic.is_work


def test_dropped_output_is_work() -> None:
    event = parse_event(b'{"type":"dropped-output","eventCreatedOn":1795230983}')
    assert isinstance(event, Event)
    assert event.is_work


def test_words_in_a_patchset_level_comment_are_read_too() -> None:
    event = parsed(
        comment="Patch Set 2:\n\n(1 comment)",
        patchSetComments={
            "/PATCHSET_LEVEL": [{"message": "recheck"}, {"message": ""}, "junk", {"unresolved": False}],
            "nova/virt/libvirt/driver.py": [{"message": "nit"}],
        },
    )
    assert event.message is not None
    assert event.message.comments == ("recheck",)


def test_a_comment_keeps_its_id_however_often_it_is_parsed() -> None:
    first, again, later = parsed(), parsed(), parsed(eventCreatedOn=1795230995)
    ids = [event.message.id for event in (first, again, later) if event.message is not None]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize("key", ["author", "comment", "change", "patchSet", "eventCreatedOn"])
def test_a_missing_part_is_only_that_part_missing(key: str) -> None:
    event = parsed(**{key: None})
    assert event.type == "comment-added"
    assert (event.patchset is None) == (key in ("change", "patchSet"))
    assert (event.author is None) == (key == "author")


def test_without_the_events_time_the_patch_sets_counts() -> None:
    assert parsed(eventCreatedOn=None).at == datetime.fromtimestamp(1795230983, UTC)


@pytest.mark.parametrize(
    "revision",
    [
        {"number": 2, "revision": "short", "ref": "refs/changes/61/61/2"},
        {"number": 2, "revision": "A" * 40, "ref": "refs/changes/61/61/2"},
        {"number": 2, "revision": "--upload-pack=/bin/sh", "ref": "refs/changes/61/61/2"},
        {"number": 0, "revision": "a" * 40, "ref": "refs/changes/61/61/2"},
        {"number": 2**40, "revision": "a" * 40, "ref": "refs/changes/61/61/2"},
        {"number": 2, "revision": "a" * 40, "ref": "refs/heads/master"},
        {"number": 2, "revision": "a" * 40, "ref": "refs/changes/61/61/3"},
        {"number": True, "revision": "a" * 40, "ref": "refs/changes/61/61/1"},
    ],
)
def test_a_patch_set_that_is_not_told_right_is_none(revision: dict[str, Any]) -> None:
    assert parsed(patchSet=revision).patchset is None


def test_numbers_as_strings_are_numbers_as_older_gerrits_have_it() -> None:
    change = {"project": "openstack/nova", "branch": "refs/heads/master", "number": "61"}
    patchset = parsed(change=change, patchSet={"number": "2", "revision": "a" * 40}).patchset
    assert patchset is not None
    assert (patchset.label, patchset.branch, patchset.ref) == ("61,2", "master", "refs/changes/61/61/2")


def test_what_postgresql_cannot_keep_is_replaced_everywhere() -> None:
    event = parse_event(rb'{"type":"comment-added","comment":"a\u0000b\ud800","deep":{"k\u0000":["\u0000"]}}')
    assert isinstance(event, Event)
    assert event.message is not None
    assert event.message.text == "a\N{REPLACEMENT CHARACTER}b?"
    assert event.raw["deep"] == {"k\N{REPLACEMENT CHARACTER}": ["\N{REPLACEMENT CHARACTER}"]}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"fatal: no such command",
        b'{"type":',
        b"[1, 2]",
        b'"type"',
        b"{}",
        b'{"type": 7}',
        b'{"type": "x", "n": NaN}',
        b'{"type": "x", "n": ' + b"9" * 5000 + b"}",
        b'{"type": "x", "n": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"type": "x", "n": ' + b"[" * 100 + b"]" * 100 + b"}",
        b'\xff\xfe{"type": "x"}',
    ],
)
def test_what_is_no_event_is_a_bad_line_with_a_reason(line: bytes) -> None:
    bad = parse_event(line)
    assert isinstance(bad, BadLine)
    assert bad.reason
    assert len(bad.text) <= 200
    assert bad.text.isprintable()


@pytest.mark.parametrize(
    ("change", "patchset", "ref"), [(1, 2, "refs/changes/01/1/2"), (901234, 5, "refs/changes/34/901234/5")]
)
def test_a_changes_reference_is_made_of_its_numbers(change: int, patchset: int, ref: str) -> None:
    assert change_ref(change, patchset) == ref


def check(line: bytes) -> None:
    """Whatever comes out can be written down."""
    match parse_event(line):
        case Event() as event:
            json.dumps(event.raw, allow_nan=False).encode()
            assert event.at.tzinfo is not None
            if event.patchset is not None:
                assert event.patchset.ref == change_ref(event.patchset.change, event.patchset.number)
        case BadLine() as bad:
            bad.text.encode()


@settings(deadline=None, max_examples=40)
@given(line=st.sampled_from(RECORDED), cut=st.integers(min_value=0, max_value=3000))
def test_a_cut_line_never_raises(line: bytes, cut: int) -> None:
    check(line[:cut])


@settings(deadline=None, max_examples=40)
@given(line=st.sampled_from(RECORDED), at=st.integers(0, 3000), junk=st.binary(max_size=20), length=st.integers(0, 40))
def test_a_damaged_line_never_raises(line: bytes, at: int, junk: bytes, length: int) -> None:
    check(line[:at] + junk + line[at + length :])


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def replaced(raw: Any, path: list[int], value: Any) -> Any:
    """Return the JSON with one of its parts, chosen by the path, replaced."""
    if not path or not isinstance(raw, dict) or not raw:
        return value
    key = sorted(raw)[path[0] % len(raw)]
    return {**raw, key: replaced(raw[key], path[1:], value)}


@settings(deadline=None, max_examples=40)
@given(line=st.sampled_from(RECORDED), path=st.lists(st.integers(0, 20), min_size=1, max_size=3), value=ANYTHING)
def test_a_line_with_a_part_of_another_kind_never_raises(line: bytes, path: list[int], value: Any) -> None:
    check(json.dumps(replaced(json.loads(line), path, value)).encode())


@pytest.mark.parametrize("number", [b"1e999", b"-1e999"])
def test_a_number_that_the_database_could_not_keep_counts_as_missing(number: bytes) -> None:
    event = parse_event(b'{"type":"x","a":[' + number + b",1.5]}")
    assert isinstance(event, Event)
    assert event.raw["a"] == [None, 1.5]
