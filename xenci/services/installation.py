"""Makes a database ready for a new installation: the tables, and the switches as they are at the beginning."""

from xenci.clock import now
from xenci.config.models import Settings
from xenci.store import schema
from xenci.store.database import Database
from xenci.store.marks import REPORTS_PAUSED, set_switch, switch


def make_ready(database: Database, settings: Settings) -> str:
    """Upgrade the schema and set the switches that were never set; return the schema's revision."""
    revision = schema.upgrade(database)
    at = now()
    with database.session() as session:
        if switch(session, REPORTS_PAUSED) is None:
            paused = {"paused": settings.reports_start_paused, "reason": "a new installation posts nothing"}
            set_switch(session, REPORTS_PAUSED, paused, by="installation", at=at)
    return revision
