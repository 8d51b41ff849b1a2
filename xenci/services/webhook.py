"""Tells alarms to an address outside, so that somebody who does not look at the health page hears of them."""

import json
import os
import urllib.error
import urllib.request

import structlog
from sqlalchemy import select

from xenci.errors import Temporary
from xenci.services.context import Context
from xenci.store.tables import AlarmRow

_LOG = structlog.get_logger()
_TIMEOUT = 10


class WebhookFailed(Temporary):
    """The alarm webhook does not take what it is told."""


def tell_alarms(ctx: Context, _row: int = 0) -> None:
    """Post each alarm once, as JSON. Without an address they count as told. Raises WebhookFailed."""
    url = os.environ.get(ctx.settings.alarms.webhook_url_env, "")
    with ctx.database.session() as session:
        alarms = list(session.scalars(select(AlarmRow).where(AlarmRow.told_at.is_(None)).order_by(AlarmRow.id)))
    for alarm in alarms:
        if url:
            _post(url, alarm, ctx.settings.system, ctx.settings.web.public_url)
        with ctx.database.session() as session:
            session.get_one(AlarmRow, alarm.id).told_at = ctx.clock()


def _post(url: str, alarm: AlarmRow, system: str, public_url: str) -> None:
    content = {
        "system": system,
        "key": alarm.key,
        "brief": alarm.brief,
        "detail": alarm.detail,
        "remedy": alarm.remedy,
        "opened_at": alarm.opened_at.isoformat(),
        "health": f"{public_url}health",
    }
    request = urllib.request.Request(
        url, data=json.dumps(content).encode(), headers={"Content-Type": "application/json"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
            _LOG.info("alarm.told", key=alarm.key, status=answer.status)
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise WebhookFailed(f"{error}", remedy=f"look at the address in the environment; alarm {alarm.key}") from error
