"""Who looks at a page, and whether a form is theirs: a token in a cookie, the form's own token, and the origin.

The cookie is out of reach of scripts and of other sites. A form counts only if it comes from one of our pages, by the
browser's word, and holds what only a page drawn for this token can hold.
"""

import hashlib
import hmac
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException

from xenci.dashboard.hand import Hand
from xenci.dashboard.site import Site, site_of
from xenci.model.pool import Wish
from xenci.store.tokens import owner_of

COOKIE = "xenci_token"
#: seconds after which a browser asks for the token again
_MONTH = 30 * 24 * 3600
_LONGEST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """A person who showed a token."""

    name: str
    #: what every form of theirs must hold
    form: str


def visitor_of(request: Request, session: Session) -> Visitor | None:
    """Return who looks, or None if they showed no token that is worth something, or nothing can be done here."""
    token = request.cookies.get(COOKIE, "")
    if site_of(request).hand is None or not 0 < len(token) <= _LONGEST:
        return None
    name = owner_of(session, token)
    return Visitor(name=name, form=form_token(token)) if name is not None else None


def form_token(token: str) -> str:
    """Return what forms drawn for a token hold; it tells nobody the token."""
    return hmac.new(token.encode(), b"xenci form", hashlib.sha256).hexdigest()


def check_origin(request: Request) -> None:
    """Refuse a form that does not come from one of our pages. Raises HTTPException."""
    origin = request.headers.get("origin", "")
    public = urlsplit(site_of(request).settings.web.public_url)
    here = f"{request.url.scheme}://{request.headers.get('host', '')}"
    if origin not in (here, f"{public.scheme}://{public.netloc}"):
        raise HTTPException(403, "This form does not come from a page of ours.")


def check_form(request: Request, form: str, reason: str = "") -> tuple[Hand, Wish]:
    """Return the hand and what a person wants of it, if this form is theirs. Raises HTTPException."""
    check_origin(request)
    site = site_of(request)
    with site.database.session() as session:
        visitor = visitor_of(request, session)
    if visitor is None or site.hand is None:
        raise HTTPException(403, "Nobody is logged in here: show a token first.")
    if not hmac.compare_digest(visitor.form.encode(), form.encode()):
        raise HTTPException(403, "This form is out of date: load its page again.")
    return site.hand, Wish(who=visitor.name, reason=reason.strip()[:_LONGEST], at=site.clock())


def let_in(site: Site, response: Response, token: str) -> None:
    """Keep a token in the browser."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=_MONTH,
        httponly=True,
        samesite="strict",
        secure=site.settings.web.public_url.startswith("https:"),
    )


def keep_private(response: Response) -> Response:
    """Have a page that was drawn for one person kept nowhere."""
    response.headers["Cache-Control"] = "private, no-store"
    return response
