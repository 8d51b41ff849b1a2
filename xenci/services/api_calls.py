"""Writes down how often the clouds' APIs were called: all processes' counts in one row for each kind of request."""

from sqlalchemy.dialects.postgresql import insert

from xenci.services.context import Context
from xenci.store.tables import ApiCallRow


def note_calls(ctx: Context) -> None:
    """Add what this process has counted since the last time; a process that is killed loses some seconds' counts."""
    counts = ctx.calls.take()
    if not counts:
        return
    # in one order everywhere: two processes that write at once wait for each other and never in a circle
    rows = [
        {"provider": call.provider, "call": call.call, "request": call.request, "count": number}
        for call, number in sorted(counts.items())
    ]
    fresh = insert(ApiCallRow).values(rows)
    keys = [ApiCallRow.provider, ApiCallRow.call, ApiCallRow.request]
    added = {"count": ApiCallRow.count + fresh.excluded.count}
    with ctx.database.session() as session:
        session.execute(fresh.on_conflict_do_update(index_elements=keys, set_=added))
