"""Whether the CI works and what wants a person; the same for a watcher outside and for Prometheus."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse
from sqlalchemy.exc import OperationalError

from xenci.dashboard import hearts, queries_builds, queries_health
from xenci.dashboard.site import Site, site_of
from xenci.store.conflicts import that_do_not_merge
from xenci.store.marks import open_alarms

router = APIRouter()


@router.get("/health", response_class=HTMLResponse, include_in_schema=False)
def health(request: Request) -> HTMLResponse:
    """Show what works and what wants a person."""
    site = site_of(request)
    with site.database.session() as session:
        rows = queries_health.all_hearts(session)
        now = site.clock()
        return site.page(
            request,
            session,
            "health.html",
            alarms=open_alarms(session),
            closed=queries_health.closed_alarms(session),
            beats=hearts.judge(rows, now),
            others=hearts.judge_others(rows, now, reconcile_every=site.settings.gerrit.reconcile_every),
            outbox=queries_health.outbox(session),
            conflicts=queries_health.carry_conflicts(session),
            unmerged=that_do_not_merge(session),
            queue=queries_builds.queue_counts(session),
            disk=disk_of(site),
            database=queries_health.database_size(session),
            last_event=queries_health.last_event(session),
            actions=queries_health.last_actions(session),
        )


@router.get("/healthz")
def healthz(request: Request) -> JSONResponse:
    """For a watcher outside: 200 while the database answers and the loops beat, else 503 with reasons."""
    site = site_of(request)
    now = site.clock()
    try:
        with site.database.session() as session:
            beats = hearts.judge(queries_health.all_hearts(session), now)
            alarms = len(open_alarms(session))
            outbox = queries_health.outbox(session)
    except OperationalError:
        body = {"ok": False, "reasons": ["the database does not answer"], "at": now.isoformat()}
        return JSONResponse(body, status_code=503)
    reasons = [
        f"no sign of life of the {beat.name} "
        + (f"since {beat.beat_at.isoformat(timespec='seconds')}" if beat.beat_at else "ever")
        for beat in beats
        if not beat.is_fresh
    ]
    disk = disk_of(site)
    body = {
        "ok": not reasons,
        "reasons": reasons,
        "at": now.isoformat(timespec="seconds"),
        "is_lab": site.settings.is_lab,
        "system": site.settings.system,
        "open_alarms": alarms,
        "reports_paused": outbox.is_paused,
        "reports_waiting": outbox.pending,
        "last_report_at": outbox.last_posted_at.isoformat(timespec="seconds") if outbox.last_posted_at else None,
        "free_gb": round(disk.free_gb, 1),
        "hearts": {beat.name: beat.beat_at.isoformat(timespec="seconds") if beat.beat_at else None for beat in beats},
    }
    return JSONResponse(body, status_code=503 if reasons else 200)


def disk_of(site: Site) -> queries_health.Disk:
    """Return the space where the logs lie."""
    return queries_health.disk(site.settings.artifacts_dir, min_free_gb=site.settings.artifacts.min_free_gb)
