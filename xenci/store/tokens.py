"""Tokens as rows: who may act on the pages. A token is long and random, so its plain hash tells nobody anything."""

import hashlib
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from xenci.store.tables import TokenRow


def digest_of(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def owner_of(session: Session, token: str) -> str | None:
    """Return whose token this is, or None if it is none or was revoked."""
    query = select(TokenRow.name).where(TokenRow.digest == digest_of(token), TokenRow.revoked_at.is_(None))
    return session.scalar(query)


def all_tokens(session: Session) -> Sequence[TokenRow]:
    """Return every token that was ever made, the oldest first."""
    return session.scalars(select(TokenRow).order_by(TokenRow.id)).all()
