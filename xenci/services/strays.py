"""Keeps the rows of what no row accounts for, and deletes from the cloud what has been seen often and long enough."""

from collections.abc import Iterable, Set
from datetime import datetime
from functools import partial

import structlog
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from xenci.errors import XenciError
from xenci.model.leftover import Kind, Leftover
from xenci.providers.port import Provider
from xenci.rules.leaks import is_to_be_deleted
from xenci.services.answers import understood
from xenci.services.errands import Errand
from xenci.store.tables import StrayRow

_LOG = structlog.get_logger()


def note_strays(
    session: Session, provider: str, things: list[Leftover], *, kinds: Set[Kind], at: datetime
) -> list[Leftover]:
    """Write down the strays that were seen in a list of these kinds; return those to be deleted now."""
    query = select(StrayRow).where(
        StrayRow.provider == provider, StrayRow.kind.in_(kinds), StrayRow.deleted_at.is_(None)
    )
    known = {(row.kind, row.cloud_id): row for row in session.scalars(query.with_for_update())}
    condemned = []
    for thing in things:
        row = known.pop((thing.kind, thing.id), None)
        if row is None:
            _begin(session, provider, thing, at)
            continue
        row.times += 1
        row.seen_at = at
        if is_to_be_deleted(thing, first_seen_at=row.first_seen_at, times=row.times, at=at):
            condemned.append(thing)
    for row in known.values():
        row.deleted_at = at
    return condemned


def deletions(provider: Provider, things: Iterable[Leftover]) -> list[Errand]:
    """Return the calls that delete them; what fails is tried again when it is seen again."""
    return [
        Errand(key=(provider.name, "delete", thing.kind, thing.id), run=partial(_delete, provider, thing))
        for thing in things
    ]


def _delete(provider: Provider, thing: Leftover) -> None:
    what = {"provider": provider.name, "kind": thing.kind, "id": thing.id, "name": thing.name}
    try:
        with understood(provider.name):
            if thing.kind is Kind.SERVER:
                provider.delete(thing.id)
            else:
                provider.delete_leftover(thing)
    except XenciError as error:
        _LOG.warning("stray.not_deleted", error=error.sentence, **what)
    else:
        _LOG.warning("stray.deleted", **what)


def _begin(session: Session, provider: str, thing: Leftover, at: datetime) -> None:
    """Make its row; one that was thought gone is seen for the first time again."""
    seen = {"first_seen_at": at, "seen_at": at, "times": 1}
    session.execute(
        insert(StrayRow)
        .values(provider=provider, kind=thing.kind, cloud_id=thing.id, name=thing.name, **seen)
        .on_conflict_do_update(
            index_elements=[StrayRow.provider, StrayRow.kind, StrayRow.cloud_id], set_={**seen, "deleted_at": None}
        )
    )
    _LOG.warning("stray.seen", provider=provider, kind=thing.kind, id=thing.id, name=thing.name)
