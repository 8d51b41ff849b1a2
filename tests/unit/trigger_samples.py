"""A patch set, two pipelines, and what is heard or seen of them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from xenci.config.models import Gerrit, GerritSsh, Pipeline, Trigger
from xenci.model.build import Mode
from xenci.model.change import Account, Message, Patchset
from xenci.rules.trigger import Decision, Heard, Ignore, KnownRun, Seen, decide, reconcile

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
