"""Makes and revokes the tokens by which people act on the pages."""

import re
import secrets

from sqlalchemy import select
from sqlalchemy.orm import Session

from xenci.errors import NotFound, Permanent
from xenci.model.pool import Wish
from xenci.store.marks import audit
from xenci.store.tables import TokenRow
from xenci.store.tokens import digest_of

_NAME = re.compile(r"[\w.@+-]{1,64}")


class WrongName(Permanent):
    """A token cannot have this name."""


def add_token(session: Session, name: str, wish: Wish) -> str:
    """Make a token for somebody and return it: it is told this once, as only its hash is kept. Raises WrongName."""
    if not _NAME.fullmatch(name):
        raise WrongName(repr(name[:80]), remedy="write a name of letters, digits, and . @ + - _")
    if _valid(session, name) is not None:
        raise WrongName(f"{name} has one already", remedy=f"xenci token revoke {name}, then add it again")
    token = f"xenci_{secrets.token_urlsafe(32)}"
    session.add(TokenRow(name=name, digest=digest_of(token), made_by=wish.who, made_at=wish.at))
    audit(session, who=wish.who, what=f"token add {name}", reason=wish.reason, at=wish.at)
    return token


def revoke_token(session: Session, name: str, wish: Wish) -> str:
    """Make somebody's token worthless at once. Return what is said. Raises NotFound."""
    row = _valid(session, name)
    if row is None:
        raise NotFound(name[:80], brief="Nobody of this name has a token", remedy="xenci token list")
    row.revoked_at = wish.at
    audit(session, who=wish.who, what=f"token revoke {name}", reason=wish.reason, at=wish.at)
    return f"the token of {name} is worth nothing any more"


def _valid(session: Session, name: str) -> TokenRow | None:
    query = select(TokenRow).where(TokenRow.name == name, TokenRow.revoked_at.is_(None))
    return session.scalar(query.with_for_update())
