"""What starts a run of what is heard, and what does not: by table, and on a recorded stream."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.trigger_samples import (
    CHECK,
    GERRIT,
    ME,
    NOON,
    comment,
    heard,
    keys,
    look,
    of,
    patchset,
    reason,
    upload_run,
)
from xenci.model.build import TriggerKind
from xenci.model.change import Account, Message, Patchset
from xenci.rules.trigger import Heard, Ignore, Run, Seen, decide

STREAM = Path(__file__).parents[1] / "data" / "gerrit" / "lab-gerrit-3.9.4-stream.jsonl"


@pytest.mark.parametrize("type", ["patchset-created", "change-restored", "wip-state-changed", "private-state-changed"])
def test_a_patch_set_that_can_be_tested_is_run_under_one_key(type: str) -> None:
    assert keys(of(heard(type))) == ["61,3:check:upload"]


def test_an_upload_was_asked_for_when_it_was_uploaded_and_a_restored_change_when_it_was_restored() -> None:
    uploaded, restored = of(heard("patchset-created")), of(heard("change-restored"))
    assert not isinstance(uploaded, Ignore)
    assert not isinstance(restored, Ignore)
    assert uploaded[0].triggered_at == NOON
    assert restored[0].triggered_at == NOON + timedelta(hours=2)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"status": "MERGED"}, "Change 61 is merged."),
        ({"status": "ABANDONED"}, "Change 61 is abandoned."),
        ({"is_current": False}, "61,3 is not the newest patch set of its change."),
        ({"private": True}, "Change 61 is private."),
        ({"wip": True}, "Change 61 is work in progress."),
        ({"project": "openstack/nova-specs"}, "No pipeline tests project openstack/nova-specs."),
        ({"branch": "stable/2024.1"}, "No pipeline tests branch stable/2024.1 of openstack/nova."),
        ({"branch": "stable/2025x1"}, "No pipeline tests branch stable/2025x1 of openstack/nova."),
        (
            {"files": ("doc/source/a.rst", "README.rst", "/COMMIT_MSG")},
            r"Only documentation files changed, and a change to ^doc/.*$ or ^.*\.rst$ alone is not tested.",
        ),
    ],
)
def test_a_patch_set_that_nobody_wants_is_not_run_and_says_why(other: dict[str, object], said: str) -> None:
    assert reason(of(heard("patchset-created", patchset(**other)))).startswith(said)
    assert reason(look(Seen(patchset=patchset(**other)))).startswith(said)


def test_irrelevant_files_that_are_no_documentation_are_named() -> None:
    trigger = CHECK.trigger.model_copy(update={"irrelevant_files": ("^tools/",)})
    pipeline = CHECK.model_copy(update={"trigger": trigger})
    decision = decide(heard("patchset-created", patchset(files=("tools/x.sh",))), [pipeline], ME, GERRIT)
    assert reason(decision) == "Only tools/x.sh changed, and a change to ^tools/ alone is not tested."


def test_one_relevant_file_among_documentation_is_enough() -> None:
    assert keys(of(heard("patchset-created", patchset(files=("doc/a.rst", "nova/x.py"))))) == ["61,3:check:upload"]


def test_a_patch_set_whose_files_are_not_known_is_run() -> None:
    assert keys(of(heard("patchset-created", patchset(files=())))) == ["61,3:check:upload"]


def test_work_in_progress_is_run_where_the_pipeline_wants_it() -> None:
    assert keys(of(heard("patchset-created", patchset(project="opendev/ci-sandbox", wip=True)))) == [
        "61,3:sandbox:upload"
    ]


def test_two_pipelines_that_want_a_patch_set_both_run() -> None:
    second = CHECK.model_copy(update={"name": "experimental"})
    assert keys(decide(heard("patchset-created"), [CHECK, second], ME, GERRIT)) == [
        "61,3:check:upload",
        "61,3:experimental:upload",
    ]


@pytest.mark.parametrize(
    "type", ["ref-updated", "topic-changed", "change-merged", "reviewer-added", "dropped-output", ""]
)
def test_other_events_start_nothing(type: str) -> None:
    assert "starts nothing" in reason(of(heard(type)))


def test_an_event_without_a_patch_set_starts_nothing() -> None:
    assert "without a patch set" in reason(of(heard("patchset-created", None)))


def test_a_recheck_runs_again_and_tells_who_asked() -> None:
    decision = of(heard("comment-added", message=comment()), [upload_run()])
    assert not isinstance(decision, Ignore)
    (run,) = decision
    assert run.key.startswith("61,3:check:recheck:")
    assert (run.kind, run.asked_by) == (TriggerKind.RECHECK, "dev")
    assert run.triggered_at == NOON + timedelta(hours=1)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (comment("Patch Set 3: Code-Review+2"), "does not ask for a recheck"),
        (comment(author=ME), "is a CI"),
        (comment(author=Account(username="xen-project-ci")), "is a CI"),
        (comment(author=Account(username="zuul", name="Zuul")), "is a CI"),
        (comment(author=Account(username="Zuul")), "is a CI"),
        (comment(author=Account(username="x", name="Other Cloud CI")), "is a CI"),
        (comment(author=Account(username="bot", tags=("SERVICE_USER",))), "is a CI"),
        (comment(tag="autogenerated:somebody"), "made by a program"),
        (comment(patchset=2), "was written on patch set 2, and 3 is the current one"),
        (None, "without a text"),
    ],
)
def test_a_comment_that_is_no_recheck_of_this_patch_set_by_a_person_starts_nothing(
    message: Message | None, said: str
) -> None:
    assert said in reason(of(heard("comment-added", message=message)))


def test_a_recheck_sent_by_mail_counts() -> None:
    assert keys(of(heard("comment-added", message=comment(tag="mailMessageId=<1@example.org>"))))


def test_a_recheck_of_documentation_is_not_run() -> None:
    event = heard("comment-added", patchset(files=("doc/a.rst",)), comment())
    assert "Only documentation files" in reason(of(event))


def test_a_person_whose_name_only_contains_the_letters_is_no_ci() -> None:
    assert keys(of(heard("comment-added", message=comment(author=Account(username="luci", name="Lucia CIani")))))


def _account(raw: dict[str, str]) -> Account:
    return Account(username=raw.get("username", ""), name=raw.get("name", ""), email=raw.get("email", ""))


def _recorded(line: str) -> Heard:
    raw = json.loads(line)
    at = datetime.fromtimestamp(raw["eventCreatedOn"], UTC)
    known = None
    if "patchSet" in raw:
        change, revision = raw["change"], raw["patchSet"]
        known = Patchset(
            project=change["project"],
            branch=change["branch"],
            change=change["number"],
            number=revision["number"],
            key=change["id"],
            subject=change["subject"],
            sha=revision["revision"],
            ref=revision["ref"],
            owner=_account(change["owner"]),
            kind=revision["kind"],
            uploaded_at=datetime.fromtimestamp(revision["createdOn"], UTC),
            status=change["status"],
            wip=change.get("wip", False),
            private=change.get("private", False),
        )
    message = None
    if "comment" in raw and known:
        author = _account(raw["author"])
        message = Message(id="", author=author, patchset=known.number, text=raw["comment"], posted_at=at)
    return Heard(type=raw["type"], patchset=known, message=message, at=at)


def test_a_recorded_afternoon_starts_what_its_people_asked_for() -> None:
    """WIP upload, made ready, two rechecks, a plea not to, a CI's result, patch sets, a merge, a stack, a rebase."""
    runs: dict[str, Run] = {}
    for line in STREAM.read_text().splitlines():
        decision = of(_recorded(line))
        for run in () if isinstance(decision, Ignore) else decision:
            runs.setdefault(run.key, run)
    kinds = [key if run.kind is TriggerKind.PATCHSET else key.rpartition(":")[0] for key, run in runs.items()]
    assert kinds == [
        "61,1:check:upload",
        "61,1:check:recheck",
        "61,1:check:recheck",
        "61,2:check:upload",
        "61,3:check:upload",
        "62,1:check:upload",
        "63,1:check:upload",
        "1,2:check:upload",
    ]
