"""Shows a token in a form and keeps it in a cookie, so that a person may act on the pages; and forgets it again."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from xenci.dashboard.access import COOKIE, check_form, check_origin, keep_private, let_in, visitor_of
from xenci.dashboard.site import site_of
from xenci.store.tokens import owner_of

router = APIRouter()


@router.get("/login", response_class=HTMLResponse, include_in_schema=False)
def login(request: Request) -> Response:
    """Ask for a token."""
    return _page(request, was_wrong=False)


@router.post("/login", include_in_schema=False)
def show_token(request: Request, token: Annotated[str, Form(max_length=500)] = "") -> Response:
    """Keep a token that is worth something, and go to the nodes."""
    check_origin(request)
    site = site_of(request)
    token = token.strip()
    with site.database.session() as session:
        name = owner_of(session, token) if site.hand is not None else None
    if name is None:
        return _page(request, was_wrong=True)
    response = RedirectResponse("/nodes", status_code=303)
    let_in(site, response, token)
    return response


@router.post("/logout", include_in_schema=False)
def logout(request: Request, form: Annotated[str, Form()] = "") -> Response:
    """Forget the token in this browser; it stays valid until it is revoked."""
    check_form(request, form)
    response = RedirectResponse("/nodes", status_code=303)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


def _page(request: Request, *, was_wrong: bool) -> Response:
    site = site_of(request)
    with site.database.session() as session:
        visitor = visitor_of(request, session)
        page = site.page(
            request,
            session,
            "login.html",
            status=403 if was_wrong else 200,
            visitor=visitor,
            was_wrong=was_wrong,
            may_act=site.hand is not None,
        )
    return keep_private(page)
