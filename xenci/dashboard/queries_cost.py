"""Finds what the cost page, its twin, the figures and the command line tell: all from the lives of nodes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from xenci.config.models import Settings
from xenci.rules.cost import Amount, Day, Kind, amount, by_build, by_day, by_kind
from xenci.rules.cost_forecast import Forecast, forecast, needed_since
from xenci.store.lives import first_node_at, lives_since
from xenci.store.tables import BuildRow, BuildsetRow, NodeRow, PatchsetRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What nodes cost in a span, and what the month is going to cost."""

    currency: str
    has_price: bool
    begins: datetime
    whole: Amount
    days: list[Day]
    kinds: list[Kind]
    forecast: Forecast


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildCost:
    """A build with what its node cost."""

    build: BuildRow
    cost: Amount


def costs_of(session: Session, settings: Settings, at: datetime, *, days: int) -> Costs:
    """Return the cost of the last days, today and the first one whole; `days` counts both."""
    first = at.astimezone(UTC).date() - timedelta(days=days - 1)
    begins = datetime(first.year, first.month, first.day, tzinfo=UTC)
    lives = lives_since(session, min(begins, needed_since(at)))
    told = forecast(
        lives,
        settings.prices,
        at=at,
        began_at=first_node_at(session),
        budget_per_year=settings.cost.budget_per_year,
    )
    mine = [life for life in lives if life.hours(begins, at)]
    return Costs(
        currency=settings.cost.currency,
        has_price=bool(settings.prices),
        begins=begins,
        whole=amount(mine, settings.prices, begins, at),
        days=by_day(mine, settings.prices, first, at),
        kinds=by_kind(mine, settings.prices, begins, at),
        forecast=told,
    )


def cost_of_builds(session: Session, settings: Settings, at: datetime, *, limit: int) -> list[BuildCost]:
    """Return the newest builds that had a node, with what it cost."""
    query = (
        select(BuildRow)
        .join(NodeRow, NodeRow.id == BuildRow.node_id)
        .order_by(BuildRow.id.desc())
        .limit(limit)
        .options(
            joinedload(BuildRow.node),
            joinedload(BuildRow.buildset).joinedload(BuildsetRow.patchset).joinedload(PatchsetRow.change),
        )
    )
    builds: Sequence[BuildRow] = session.scalars(query).all()
    begins = min((one.node.created_at for one in builds if one.node is not None), default=at)
    found = by_build(lives_since(session, begins), settings.prices, at)
    return [BuildCost(build=build, cost=found.get(build.id, Amount())) for build in builds]
