"""Writes down what Gerrit shows of a change: its patch set, and the comments that count."""

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from xenci.gerrit.port import ChangeView
from xenci.model.change import Account, Patchset
from xenci.rules.recheck import recheck_request
from xenci.rules.trigger import is_ci
from xenci.services.groups import Cis
from xenci.store.tables import ChangeRow, CommentRow, PatchsetRow

#: first half of the advisory lock of a change, "cons"; the second is its number
_LOCK = 0x636F6E73


def lock_change(session: Session, number: int) -> None:
    """Keep others from writing down a change, or from starting runs of it, until the session's transaction ends."""
    session.execute(text("select pg_advisory_xact_lock(:kind, :change)"), {"kind": _LOCK, "change": number})


def save_patchset(session: Session, patchset: Patchset) -> PatchsetRow:
    """Write down a change and its patch set as Gerrit shows them; return the patch set's row."""
    facts = {
        "project": patchset.project,
        "branch": patchset.branch,
        "key": patchset.key,
        "subject": patchset.subject,
        "owner": patchset.owner.name or patchset.owner.username,
        "status": patchset.status,
        "wip": patchset.wip,
        "private": patchset.private,
        "topic": patchset.topic,
        "url": patchset.url,
    }
    change_id = session.execute(
        insert(ChangeRow)
        .values(number=patchset.change, **facts)
        .on_conflict_do_update(index_elements=[ChangeRow.number], set_=facts)
        .returning(ChangeRow.id)
    ).scalar_one()
    revision = {
        "sha": patchset.sha,
        "ref": patchset.ref,
        "kind": patchset.kind,
        "files": list(patchset.files),
        "uploaded_at": patchset.uploaded_at,
    }
    row_id = session.execute(
        insert(PatchsetRow)
        .values(change_id=change_id, number=patchset.number, **revision)
        .on_conflict_do_update(index_elements=[PatchsetRow.change_id, PatchsetRow.number], set_=revision)
        .returning(PatchsetRow.id)
    ).scalar_one()
    return session.get_one(PatchsetRow, row_id)


def save_comments(session: Session, view: ChangeView, me: Account, gerrit: Cis) -> None:
    """Keep the messages that count for the criteria: who asked for a run, and what we said ourselves."""
    is_open = view.patchset.status == "NEW"
    for message in view.messages:
        is_ours = bool(me.username) and message.author.username == me.username
        if not is_ours and (
            is_ci(message.author, me, gerrit) or recheck_request(message.text, message.comments) is None
        ):
            continue
        session.execute(
            insert(CommentRow)
            .values(
                change=view.patchset.change,
                patchset=message.patchset,
                message_id=message.id,
                author=message.author.username or message.author.name,
                posted_at=message.posted_at,
                kind="ours" if is_ours else "recheck",
                text=message.text[:2000],
                is_eligible=is_open and message.patchset in (0, view.patchset.number),
            )
            .on_conflict_do_nothing(index_elements=[CommentRow.change, CommentRow.message_id])
        )
