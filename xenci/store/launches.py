"""The launches of late as rows: how they ended, when each provider was last asked, and who got the last ones."""

from datetime import datetime, timedelta

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from xenci.model.node import LaunchFailure
from xenci.rules.breaker import Ending
from xenci.rules.pool import SHARE_OF
from xenci.store.tables import NodeRow

#: how far back launches are looked at, and how many of their endings
_HISTORY = timedelta(hours=24)
_MOST = 1000


def asked(at: datetime) -> Select[str, str, datetime]:
    """Ask when each provider was last asked for a node of each label, of late."""
    return (
        select(NodeRow.provider, NodeRow.label, func.max(NodeRow.created_at))
        .where(NodeRow.created_at > at - _HISTORY, NodeRow.image_id.is_(None))
        .group_by(NodeRow.provider, NodeRow.label)
    )


def ended(at: datetime) -> Select[str, str, datetime | None, datetime | None, str | None, str]:
    """Ask how the launches of late ended, the newest first."""
    return (
        select(NodeRow.provider, NodeRow.label, NodeRow.failed_at, NodeRow.ready_at, NodeRow.failure, NodeRow.reason)
        .where(NodeRow.created_at > at - _HISTORY, NodeRow.failed_at.is_not(None) | NodeRow.ready_at.is_not(None))
        # a launch for an image that is being made says nothing of those for builds
        .where(NodeRow.image_id.is_(None))
        .order_by(NodeRow.id.desc())
        .limit(_MOST)
    )


def endings(session: Session, at: datetime) -> list[Ending]:
    """Return how the launches of late ended, the newest first."""
    return [
        Ending(
            provider=provider,
            label=label,
            at=failed_at or ready_at or at,
            failure=LaunchFailure(failure) if failure else None,
            reason=reason,
        )
        for provider, label, failed_at, ready_at, failure, reason in session.execute(ended(at))
    ]


def last_providers(session: Session, label: str, at: datetime) -> list[str]:
    """Return the providers of a label's last launches that did not fail, the oldest first."""
    query = (
        select(NodeRow.provider)
        .where(NodeRow.label == label, NodeRow.failure.is_(None), NodeRow.created_at > at - _HISTORY)
        .where(NodeRow.image_id.is_(None))
        .order_by(NodeRow.created_at.desc(), NodeRow.id.desc())
        .limit(SHARE_OF)
    )
    return list(session.scalars(query))[::-1]
