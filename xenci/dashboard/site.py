"""What every page is drawn with: settings, database, clock, templates, and the frame around the content.

The frame says on every page what nobody may overlook: that this is a lab and how big its nodes truly are, that reports
are paused, and whether the CI is alive.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from xenci.clock import Clock
from xenci.config.models import Settings
from xenci.dashboard import formats, hearts, tones
from xenci.dashboard.ansi import ansi, ansi_lines
from xenci.dashboard.hand import Hand
from xenci.dashboard.logfiles import LogFiles
from xenci.store.database import Database
from xenci.store.marks import are_reports_paused
from xenci.store.tables import HeartRow, ReportRow

#: templates, stylesheet and vendored scripts
WEB = Path(__file__).resolve().parents[2] / "web"
THEMES = ("light", "dark", "system")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What the head and the foot of each page say."""

    now: datetime
    is_paused: bool
    alive: bool
    alive_word: str
    last_report_at: datetime | None
    contact: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The dashboard of one installation."""

    settings: Settings
    database: Database
    clock: Clock
    templates: jinja2.Environment
    logs: LogFiles
    #: what acts for operators; None: the pages only read
    hand: Hand | None = None

    def frame(self, session: Session, now: datetime) -> Frame:
        """Look up what the frame says."""
        beats = hearts.judge(list(session.scalars(select(HeartRow))), now)
        late = [beat for beat in beats if not beat.is_fresh]
        return Frame(
            now=now,
            is_paused=are_reports_paused(session),
            alive=not late,
            alive_word="Alive" if not late else f"No sign of {' and '.join(beat.name for beat in late)}",
            last_report_at=session.scalar(select(func.max(ReportRow.posted_at))),
            contact=self.settings.contact,
        )

    def about(self) -> dict[str, Any]:
        """Return what every page says of this installation, with or without a database."""
        return {
            "is_lab": self.settings.is_lab,
            "system": self.settings.system,
            # (label, true size) of the labels whose flavors do not tell the truth
            "true_sizes": [(label.name, label.true_size) for label in self.settings.labels if label.true_size],
        }

    def page(
        self, request: Request, session: Session, template: str, *, status: int = 200, **content: Any
    ) -> HTMLResponse:
        """Draw a page: the template with its content in the frame."""
        began = perf_counter()
        now = self.clock()
        text = self.templates.get_template(template).render(
            frame=self.frame(session, now),
            now=now,
            theme=theme_of(request),
            path=_path(request),
            **self.about(),
            **content,
        )
        text = text.replace("@@DRAWN@@", formats.duration(timedelta(seconds=perf_counter() - began)), 1)
        return HTMLResponse(text, status_code=status)

    def part(self, template: str, *, headers: dict[str, str] | None = None, **content: Any) -> HTMLResponse:
        """Draw a region that a page swaps by itself."""
        now = self.clock()
        return HTMLResponse(self.templates.get_template(template).render(now=now, **content), headers=headers)

    def plain(self, request: Request, template: str, *, status: int, **content: Any) -> HTMLResponse:
        """Draw a page without the database: for errors."""
        text = self.templates.get_template(template).render(
            frame=None, now=self.clock(), theme=theme_of(request), path=_path(request), **self.about(), **content
        )
        return HTMLResponse(text, status_code=status)


def site_of(request: Request) -> Site:
    """Return the site of the application that answers this request."""
    site: Site = request.app.state.site
    return site


def theme_of(request: Request) -> str:
    """Return the chosen theme; anything else than our three words is the system's."""
    chosen = request.cookies.get("theme", "system")
    return chosen if chosen in THEMES else "system"


def _path(request: Request) -> str:
    query = request.url.query
    return request.url.path + (f"?{query}" if query else "")


@cache
def make_templates() -> jinja2.Environment:
    """Read all templates: everything is escaped, and a name that does not exist is an error.

    All at once, and never again: a page must not change under a process that has another version's code.
    """
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(WEB / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    env.filters.update(
        number=formats.number,
        size=formats.size,
        duration=formats.duration,
        time=formats.time,
        clock=formats.clock_time,
        stamp=formats.stamp,
        ago=formats.ago,
        short=formats.short,
        test_name=formats.test_name,
        ansi=ansi,
        ansi_lines=ansi_lines,
    )
    env.globals.update(
        count=formats.count,
        money=formats.money,
        versions=formats.versions,
        blame_of=tones.blame_of,
        result_tone=tones.result_tone,
        fault_tone=tones.fault_tone,
        state_of=tones.state_of,
        image_tone=tones.image_tone,
        node_tone=tones.node_tone,
        test_tone=tones.test_tone,
        test_word=tones.test_word,
        report_tone=tones.report_tone,
    )
    for name in env.list_templates():
        env.get_template(name)
    return env
