"""The dashboard as one ASGI application: routes, security headers, and pages for what goes wrong.

Endpoints are plain `def`: FastAPI runs them in threads, as every driver below them blocks.
"""

import secrets
import traceback

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import DataError, OperationalError
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware

from xenci.artifacts.local import LocalStore
from xenci.clock import Clock
from xenci.config.models import Settings
from xenci.dashboard.hand import Hand
from xenci.dashboard.logfiles import LogFiles
from xenci.dashboard.pages import ROUTERS
from xenci.dashboard.security import HEADERS, SecureHeaders
from xenci.dashboard.site import WEB, Site, make_templates, site_of
from xenci.errors import NotFound, Temporary, XenciError
from xenci.store.database import Database

_LOG = structlog.get_logger()
_LONGEST_TRACE = 8000


def create_app(settings: Settings, database: Database, clock: Clock, hand: Hand | None = None) -> FastAPI:
    """Return the dashboard of one installation. It only reads; what operators want done is done by `hand`."""
    app = FastAPI(title="xenci", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    app.state.site = Site(
        settings=settings,
        database=database,
        clock=clock,
        templates=make_templates(),
        logs=LogFiles(LocalStore(settings.artifacts_dir, settings.artifacts)),
        hand=hand,
    )
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=WEB / "static"), name="static")
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)
    app.add_middleware(SecureHeaders)
    app.add_exception_handler(NotFound, _not_found)
    app.add_exception_handler(XenciError, _impossible)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(DataError, _no_such_value)
    app.add_exception_handler(OperationalError, _database_down)
    app.add_exception_handler(Exception, _failed)
    return app


def _answer(request: Request, *, status: int, title: str, detail: str, remedy: str, error_id: str = "") -> Response:
    if request.url.path.startswith("/api/"):
        body = {"error": title, "detail": detail, "remedy": remedy, "id": error_id}
        return JSONResponse(body, status_code=status, headers=HEADERS)
    response = site_of(request).plain(
        request, "error.html", status=status, title=title, detail=detail, remedy=remedy, error_id=error_id
    )
    response.headers.update(HEADERS)
    return response


def _not_found(request: Request, error: Exception) -> Response:
    assert isinstance(error, NotFound)
    return _answer(request, status=404, title="It is not there.", detail=error.detail, remedy=error.remedy)


def _impossible(request: Request, error: Exception) -> Response:
    """Say why what a person asked for cannot be done."""
    assert isinstance(error, XenciError)
    status = 503 if isinstance(error, Temporary) else 409
    title = f"{error.brief.rstrip('.')}."
    return _answer(request, status=status, title=title, detail=error.detail, remedy=error.remedy)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return _answer(
            request, status=404, title="It is not there.", detail="No page has this address", remedy="Start at the top"
        )
    return _answer(request, status=error.status_code, title=str(error.detail), detail="", remedy="")


def _no_such_value(request: Request, error: Exception) -> Response:
    """Answer what no row can have: a number that is too large, a text with a zero."""
    _LOG.info("dashboard.no_such_value", path=request.url.path[:200], error=str(getattr(error, "orig", error))[:200])
    return _answer(
        request, status=404, title="It is not there.", detail="No row has this address", remedy="Start at the top"
    )


def _unreadable(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    said = [f"{'.'.join(str(part) for part in one['loc'][1:])}: {one['msg']}" for one in error.errors()[:3]]
    return _answer(
        request,
        status=422,
        title="This address cannot be read.",
        detail="; ".join(said)[:500],
        remedy="Start at the top",
    )


def _database_down(request: Request, error: Exception) -> Response:
    error_id = secrets.token_hex(4)
    _LOG.error("dashboard.database_down", error=str(error), path=request.url.path, error_id=error_id)
    return _answer(
        request,
        status=503,
        title="The database does not answer, so this page cannot be drawn.",
        detail="Runs on the nodes go on by themselves; nothing is lost",
        remedy="Try again in a minute; operators: look whether PostgreSQL runs",
        error_id=error_id,
    )


def _failed(request: Request, error: Exception) -> Response:
    error_id = secrets.token_hex(4)
    # as a text of bounded size: a rich traceback with every local of a page takes minutes to print
    trace = "".join(traceback.format_exception(error))[-_LONGEST_TRACE:]
    _LOG.error("dashboard.failed", path=request.url.path, error_id=error_id, error=repr(error)[:500], trace=trace)
    return _answer(
        request,
        status=500,
        title="This page could not be drawn: a fault in xenci.",
        detail="The other pages and all runs go on",
        remedy="Tell the operators the error id",
        error_id=error_id,
    )
