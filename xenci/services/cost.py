"""Every ten minutes: looks at what the nodes cost, and raises an alarm when the month is going to pass its budget."""

from datetime import timedelta

from xenci.rules.cost_forecast import ALARM, alarm, forecast, needed_since
from xenci.services.context import Context
from xenci.services.engine import alive
from xenci.store.lives import first_node_at, lives_since
from xenci.store.marks import clear_alarm, raise_alarm

#: how often
EVERY = timedelta(minutes=10)


def cost(ctx: Context, _row: int = 0) -> None:
    """Open the alarm about the budget, or close it. Repeatable."""
    at, wanted = ctx.clock(), ctx.settings.cost
    with ctx.database.session() as session:
        told = forecast(
            lives_since(session, needed_since(at)),
            ctx.settings.prices,
            at=at,
            began_at=first_node_at(session),
            budget_per_year=wanted.budget_per_year,
        )
        found = alarm(told, wanted.currency)
        if found is None:
            clear_alarm(session, ALARM, at=at)
        else:
            raise_alarm(session, ALARM, brief=found.brief, detail=found.detail, remedy=found.remedy, at=at)
    alive(ctx, "cost", "no price is configured" if told.spent.money is None else f"{told.spent.money:.2f} this month")
