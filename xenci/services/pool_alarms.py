"""Opens and closes the alarms of the pool, as `rules/pool_alarms.py` says."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import case, func, literal, select
from sqlalchemy.orm import Session

from xenci.model.leftover import Kind
from xenci.rules.images import AWAY
from xenci.rules.leaks import GRACE, SWEEP
from xenci.rules.pool import Plan, Supply, World, standings
from xenci.rules.pool_alarms import Alarm, Cloud, LabelFacts, alarms
from xenci.services.context import Context
from xenci.services.image_alarms import left_behind, outlived
from xenci.services.pool_world import fresh_for
from xenci.store.marks import clear_alarm, open_alarms, raise_alarm
from xenci.store.tables import AlarmRow, ProviderRow, StrayRow

#: a stray that lives longer is told
_STRAY_TOLD = timedelta(minutes=15)
#: an open alarm that says the same is written again after this time
_REPEAT = timedelta(minutes=1)


def tell(ctx: Context, session: Session, world: World, decided: Plan, at: datetime) -> None:
    """Open the alarms that should be open, and close those that should not."""
    facts = {row.name: row for row in session.scalars(select(ProviderRow))}
    patience = case((StrayRow.kind == Kind.IMAGE, GRACE[Kind.IMAGE] + _STRAY_TOLD), else_=_STRAY_TOLD)
    old = select(StrayRow.provider, func.count()).where(
        StrayRow.deleted_at.is_(None), StrayRow.first_seen_at < literal(at) - patience
    )
    wanted = alarms(
        clouds=[_cloud(ctx, supply, facts.get(supply.name)) for supply in world.supplies],
        labels=[
            LabelFacts(name=label.name, launch_attempts=label.launch_attempts, short=decided.short.get(label.name, 0))
            for label in ctx.settings.labels
        ],
        nodes=world.nodes,
        endings=world.endings,
        standings=standings(world),
        strays={row[0]: row[1] for row in session.execute(old.group_by(StrayRow.provider))},
        at=at,
    )
    there = {row.key: row for row in open_alarms(session)}
    _settle(session, wanted + left_behind(session, ctx.settings), there, at)
    # nobody sweeps providers that left the configuration
    swept = {f"{SWEEP}{settings.name}" for settings in ctx.settings.providers}
    for key in [key for key in there if key.startswith(SWEEP) and key not in swept] + outlived(ctx.settings, there):
        clear_alarm(session, key, at=at)


def _settle(session: Session, wanted: list[Alarm], known: Mapping[str, AlarmRow], at: datetime) -> None:
    there = {key: row for key, row in known.items() if key.startswith(("provider:", "label:", AWAY))}
    for alarm in wanted:
        row = there.pop(alarm.key, None)
        if row is None or row.detail != alarm.detail[:4000] or at - row.seen_at > _REPEAT:
            raise_alarm(session, alarm.key, brief=alarm.brief, detail=alarm.detail, remedy=alarm.remedy, at=at)
    for key in there:
        clear_alarm(session, key, at=at)


def _cloud(ctx: Context, supply: Supply, row: ProviderRow | None) -> Cloud:
    most = supply.capacity if supply.wanted is None else supply.wanted
    if row is None:
        return Cloud(name=supply.name, max_servers=most)
    return Cloud(
        name=supply.name,
        max_servers=most,
        quota=row.quota,
        failing_since=row.failing_since,
        listed_at=row.listed_at,
        fresh_for=fresh_for(ctx.settings.provider(supply.name)),
        error=row.error,
        remedy=row.remedy,
    )
