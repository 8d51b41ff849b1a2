"""What runs in which process: listener, worker and web, together in one or each in its own."""

import asyncio
import signal
import socket
import threading
from collections.abc import Callable

import structlog
import uvicorn
from fastapi import FastAPI

from xenci.errors import Permanent
from xenci.services.context import Context
from xenci.services.engine import run_worker
from xenci.services.listener import listen
from xenci.services.steps import STEPS
from xenci.services.streams import open_stream

_LOG = structlog.get_logger()


class PortTaken(Permanent):
    """The dashboard's port is in use."""


def run_listener(ctx: Context) -> None:
    """Listen to Gerrit until SIGTERM or SIGINT."""
    stop = threading.Event()
    _on_end(stop.set)
    _listen(ctx, stop)


def run_web(app: FastAPI, host: str, port: int) -> None:
    """Serve the dashboard until SIGTERM or SIGINT."""
    server = _Server(_web_config(app))
    server.run(sockets=[_bind(host, port)])


def run_all(ctx: Context, app: FastAPI) -> None:
    """Run everything in this process: listener and web as threads, the worker in the main thread."""
    web = ctx.settings.web
    sock = _bind(web.host, web.port)
    stop = threading.Event()
    threading.Thread(target=_listen, args=(ctx, stop), name="listener", daemon=True).start()
    server = _Server(_web_config(app))
    threading.Thread(target=lambda: server.run(sockets=[sock]), name="web", daemon=True).start()
    _LOG.info("web.serves", url=web.public_url)
    run_worker(ctx, STEPS)


def _listen(ctx: Context, stop: threading.Event) -> None:
    listen(ctx, lambda: open_stream(ctx.settings), stop)


def _on_end(call: Callable[[], None]) -> None:
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: call())


class _Server(uvicorn.Server):
    """Looks once a second whether it should end: ten times, as uvicorn does, is a tenth of what an idle xenci does."""

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            await asyncio.sleep(1)


def _web_config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2)


def _bind(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise PortTaken(
            f"{host}:{port}: {error.strerror}", remedy="end what listens there, or change web.port"
        ) from error
    sock.listen(128)
    return sock
