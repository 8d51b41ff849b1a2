"""What starts a run and what does not: by table, on a recorded stream, and the keys that make it happen once."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenci.config.models import Gerrit, GerritSsh, Pipeline, Trigger
from xenci.model.build import Mode, TriggerKind
from xenci.model.change import Account, Message, Patchset
from xenci.rules.trigger import Decision, Heard, Ignore, KnownRun, Run, Seen, decide, reconcile

STREAM = Path(__file__).parents[1] / "data" / "gerrit" / "lab-gerrit-3.9.4-stream.jsonl"
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ME = Account(username="xen-project-ci", name="Xen Project CI")
DEV = Account(username="dev", name="A Developer")
GERRIT = Gerrit(
    url="http://127.0.0.1:8080/",
    ssh=GerritSsh(host="127.0.0.1", user="xen-project-ci", key_file=Path("key"), host_key="ssh-ed25519 AAAA"),
    user="xen-project-ci",
)
CHECK = Pipeline(
    name="check",
    mode=Mode.VOTE,
    trigger=Trigger(
        projects=("openstack/nova",),
        branches=("master", r"stable/2025\.1"),
        irrelevant_files=(r"^doc/.*$", r"^.*\.rst$"),
    ),
    jobs=("tempest",),
)
SANDBOX = Pipeline(
    name="sandbox", mode=Mode.COMMENT, trigger=Trigger(projects=("opendev/.*",), wip=True), jobs=("tempest",)
)
PATCHSET = Patchset(
    project="openstack/nova",
    branch="stable/2025.1",
    change=61,
    number=3,
    key="I18d7",
    subject="libvirt: a change",
    sha="3188db",
    ref="refs/changes/61/61/3",
    owner=DEV,
    uploaded_at=NOON,
    files=("nova/virt/libvirt/driver.py", "doc/source/index.rst"),
)


def patchset(**other: object) -> Patchset:
    return replace(PATCHSET, **other)  # type: ignore[arg-type]


def comment(text: str = "Patch Set 3:\n\nrecheck", **other: object) -> Message:
    base = Message(id="", author=DEV, patchset=3, text=text, posted_at=NOON + timedelta(hours=1))
    return replace(base, **other)  # type: ignore[arg-type]


def heard(type: str, patchset: Patchset | None = PATCHSET, message: Message | None = None) -> Heard:
    return Heard(type=type, patchset=patchset, message=message, at=NOON + timedelta(hours=2))


def upload_run(**other: object) -> KnownRun:
    base = KnownRun(patchset=3, pipeline="check", key="61,3:check:upload", created_at=NOON + timedelta(seconds=9))
    return replace(base, **other)  # type: ignore[arg-type]


def keys(decision: Decision) -> list[str]:
    assert not isinstance(decision, Ignore), decision.reason
    return [run.key for run in decision]


def reason(decision: Decision) -> str:
    assert isinstance(decision, Ignore)
    return decision.reason


def of(event: Heard, known: Sequence[KnownRun] = ()) -> Decision:
    return decide(event, [CHECK, SANDBOX], ME, GERRIT, known)


def look(seen: Seen, known: Sequence[KnownRun] = ()) -> Decision:
    return reconcile(seen, [CHECK, SANDBOX], ME, GERRIT, known)


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


def test_a_look_finds_the_run_that_a_patch_set_lacks() -> None:
    assert keys(look(Seen(patchset=PATCHSET))) == ["61,3:check:upload"]


def test_a_look_at_a_change_with_all_its_runs_starts_nothing() -> None:
    assert reason(look(Seen(patchset=PATCHSET), [upload_run()])) == "Every run that 61,3 asks for exists."


def test_the_run_of_an_older_patch_set_does_not_count() -> None:
    older = upload_run(patchset=2, key="61,2:check:upload")
    assert keys(look(Seen(patchset=PATCHSET), [older])) == ["61,3:check:upload"]


def test_a_look_finds_a_recheck_that_was_not_heard() -> None:
    (key,) = keys(look(Seen(patchset=PATCHSET, messages=(comment(),)), [upload_run()]))
    assert key.startswith("61,3:check:recheck:")


def test_of_several_rechecks_that_were_not_heard_the_last_is_run() -> None:
    first, last = comment(), comment(posted_at=NOON + timedelta(hours=3))
    seen = look(Seen(patchset=PATCHSET, messages=(last, first)), [upload_run()])
    assert not isinstance(seen, Ignore)
    assert [run.triggered_at for run in seen] == [last.posted_at]


def test_a_recheck_older_than_the_newest_run_was_answered_by_it() -> None:
    run = upload_run(created_at=NOON + timedelta(hours=2))
    assert isinstance(look(Seen(patchset=PATCHSET, messages=(comment(),)), [run]), Ignore)


def test_a_recheck_of_the_second_in_which_the_run_began_is_run_as_it_may_have_come_after() -> None:
    run = upload_run(created_at=comment().posted_at + timedelta(milliseconds=600))
    (key,) = keys(look(Seen(patchset=PATCHSET, messages=(comment(),)), [run]))
    assert key.startswith("61,3:check:recheck:")


def test_a_patch_set_without_a_run_and_with_rechecks_is_run_once() -> None:
    assert keys(look(Seen(patchset=PATCHSET, messages=(comment(), comment())))) == ["61,3:check:upload"]


@given(
    lag=st.integers(0, 30),
    words=st.sampled_from(["recheck", "xen: recheck", "Recheck  the cloud was full"]),
    fraction=st.integers(0, 999_999),
)
def test_a_recheck_that_was_heard_is_not_run_again_by_a_look(lag: int, words: str, fraction: int) -> None:
    written = NOON + timedelta(hours=1, microseconds=fraction)
    in_stream = comment(f"Patch Set 3:\n\n{words}", posted_at=written.replace(microsecond=0) + timedelta(seconds=lag))
    by_rest = comment(
        "Patch Set 3:\n\n(1 comment)", comments=(words,), posted_at=written, author=Account(name="A Developer")
    )
    (key,) = keys(of(heard("comment-added", message=in_stream), [upload_run()]))
    run = KnownRun(patchset=3, pipeline="check", key=key, created_at=written - timedelta(seconds=5))
    assert isinstance(look(Seen(patchset=PATCHSET, messages=(by_rest,)), [upload_run(), run]), Ignore)
    assert keys(of(heard("comment-added", message=by_rest), [upload_run(), run])) == [key]


def test_a_change_that_was_withdrawn_and_came_back_is_run_under_another_key_by_both_ways() -> None:
    withdrawn = upload_run(was_withdrawn=True)
    assert keys(of(heard("change-restored"), [withdrawn])) == ["61,3:check:recheck:restored-1"]
    assert keys(look(Seen(patchset=PATCHSET), [withdrawn])) == ["61,3:check:recheck:restored-1"]


def test_a_change_that_came_back_is_run_though_an_older_run_of_it_ended_in_silence() -> None:
    """It conflicted, was run on the tip that moved, and was abandoned meanwhile: nobody has heard of it."""
    runs = [upload_run(was_silent=True), upload_run(key="61,3:check:tip:abc", was_withdrawn=True, was_silent=True)]
    assert keys(look(Seen(patchset=PATCHSET), runs)) == ["61,3:check:recheck:restored-2"]
    assert keys(of(heard("change-restored"), runs)) == ["61,3:check:recheck:restored-2"]
    told = [upload_run(), *runs[1:]]
    assert isinstance(look(Seen(patchset=PATCHSET), told), Ignore), "a verdict was given before"
    assert isinstance(look(Seen(patchset=PATCHSET), runs[:1]), Ignore), "it conflicts still"


def test_a_look_dates_a_patch_set_from_when_it_became_ready() -> None:
    ready = comment(
        "Set Ready For Review", tag="autogenerated:gerrit:setReadyForReview", posted_at=NOON + timedelta(days=5)
    )
    seen = look(Seen(patchset=PATCHSET, messages=(ready,)))
    assert not isinstance(seen, Ignore)
    assert seen[0].triggered_at == NOON + timedelta(days=5)


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
