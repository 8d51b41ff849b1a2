"""The three buttons in the foot: they set a cookie and go back, so they work with scripts off."""

from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse

from xenci.dashboard.site import THEMES

router = APIRouter()
_YEAR = 365 * 24 * 3600


@router.post("/theme", include_in_schema=False)
def set_theme(theme: Annotated[str, Form()] = "system", back: Annotated[str, Form()] = "/") -> RedirectResponse:
    """Remember the theme and go back to the page."""
    response = RedirectResponse(back if _is_ours(back) else "/", status_code=303)
    if theme in THEMES and theme != "system":
        response.set_cookie("theme", theme, max_age=_YEAR, samesite="lax", httponly=True)
    else:
        response.delete_cookie("theme")
    return response


def _is_ours(address: str) -> bool:
    """Tell whether an address is a path on this site; `//host` and `/\\host` are not."""
    return address.startswith("/") and address[1:2] not in ("/", "\\") and address.isprintable()
