"""Overrides as rows: what operators said of the pool, and how the configuration's figures read with it."""

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from xenci.model.pool import Override, OverrideKind, Overrides, Wish
from xenci.store.tables import OverrideRow


def read_overrides(session: Session) -> Overrides:
    """Return every override that counts."""
    found = {}
    for row in session.scalars(select(OverrideRow).order_by(OverrideRow.kind, OverrideRow.name)):
        kind = OverrideKind(row.kind)
        found[kind, row.name] = Override(
            kind=kind, name=row.name, value=row.value, by=row.set_by, at=row.set_at, reason=row.reason
        )
    return found


def figure(overrides: Overrides, kind: OverrideKind, name: str, configured: int) -> int:
    """Return the figure that counts: the operator's, or else the configured one."""
    word = overrides.get((kind, name))
    return configured if word is None else word.value


def put_override(session: Session, kind: OverrideKind, name: str, value: int, wish: Wish) -> None:
    """Write an override, in place of an older one of its kind and name."""
    said = {"value": value, "reason": wish.reason, "set_by": wish.who, "set_at": wish.at}
    fresh = insert(OverrideRow).values(kind=kind, name=name, **said)
    session.execute(fresh.on_conflict_do_update(index_elements=[OverrideRow.kind, OverrideRow.name], set_=said))


def take_back(session: Session, kind: OverrideKind, name: str) -> bool:
    """Take an override back; tell whether there was one."""
    query = delete(OverrideRow).where(OverrideRow.kind == kind, OverrideRow.name == name).returning(OverrideRow.name)
    return session.scalar(query) is not None
