"""The forms by which an operator acts on pool and nodes. Each needs a token, writes an audit row, and leads back."""

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Path, Request
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from xenci.config.models import parse_duration
from xenci.dashboard.access import check_form, keep_private, visitor_of
from xenci.dashboard.site import site_of
from xenci.model.pool import Terms
from xenci.rules.holds import read_public_key

router = APIRouter(include_in_schema=False)
#: what a form's field may hold
Words = Annotated[str, Form(max_length=1000)]
Name = Annotated[str, Path(max_length=100)]


@router.post("/pool/{verb}")
def pool(
    request: Request,
    verb: Literal["drain", "enable", "scale", "min-ready"],
    name: Words,
    form: Words = "",
    value: Words = "",
    reset: Words = "",
    reason: Words = "",
) -> Response:
    """Drain or enable a provider; set or take back a figure."""
    hand, wish = check_form(request, form, reason)
    match verb:
        case "drain":
            hand.drain(name, wish)
        case "enable":
            hand.enable(name, wish)
        case "scale":
            hand.scale(name, None if reset else _figure(value), wish)
        case "min-ready":
            hand.min_ready(name, None if reset else _figure(value), wish)
    return RedirectResponse("/nodes", status_code=303)


@router.post("/node/{name}/hold")
def hold(
    request: Request,
    name: Name,
    form: Words = "",
    owner: Words = "",
    reason: Words = "",
    length: Words = "24h",
    key: Annotated[str, Form(max_length=8000)] = "",
) -> Response:
    """Keep a node for a person."""
    hand, wish = check_form(request, form, reason)
    public_key = read_public_key(key)
    if key.strip() and public_key is None:
        raise HTTPException(422, "This is no public key: give the line of a .pub file.")
    terms = Terms(owner=owner.strip() or wish.who, reason=reason, length=_length(length), public_key=public_key)
    hand.hold(name, terms, wish)
    return RedirectResponse(f"/node/{name}", status_code=303)


@router.post("/node/{name}/release")
def release(request: Request, name: Name, form: Words = "", reason: Words = "") -> Response:
    """End a node's hold."""
    hand, wish = check_form(request, form, reason)
    hand.release(name, wish)
    return RedirectResponse(f"/node/{name}", status_code=303)


@router.post("/node/{name}/delete")
def delete(request: Request, name: Name, form: Words = "", reason: Words = "") -> Response:
    """Delete a node."""
    hand, wish = check_form(request, form, reason)
    hand.delete(name, wish)
    return RedirectResponse(f"/node/{name}", status_code=303)


@router.post("/autohold/{number}/delete")
def end_autohold(request: Request, number: int, form: Words = "") -> Response:
    """Take a standing wish back."""
    hand, wish = check_form(request, form)
    hand.end_autohold(number, wish)
    return RedirectResponse("/nodes", status_code=303)


@router.get("/node/{name}/console")
def console(request: Request, name: Name) -> Response:
    """Show a node's console to an operator: each look is a call to the cloud."""
    site = site_of(request)
    with site.database.session() as session:
        visitor = visitor_of(request, session)
    if visitor is None or site.hand is None:
        raise HTTPException(403, "Consoles are shown to operators: show a token first.")
    lines = site.hand.console(name).splitlines()[-2000:]
    with site.database.session() as session:
        return keep_private(site.page(request, session, "console.html", name=name, lines=lines))


def _figure(value: str) -> int:
    if not value.strip().isdecimal() or len(value) > 6:
        raise HTTPException(422, "This is no figure: write a number.")
    return int(value)


def _length(text: str) -> timedelta:
    try:
        length: timedelta = parse_duration(text)
    except ValueError as error:
        raise HTTPException(422, f"{str(error)[:200]}.") from error
    return length
