"""All steps by the names of their jobs: one grep finds them all."""

from xenci.services.advance import advance
from xenci.services.consider import consider
from xenci.services.cost import cost
from xenci.services.dispatch import dispatch
from xenci.services.engine import Step
from xenci.services.images import advance_image
from xenci.services.missed import fetch_missed
from xenci.services.nodes import advance_node
from xenci.services.pool import tick as pool_tick
from xenci.services.prepare import prepare
from xenci.services.reconcile import reconcile
from xenci.services.renew import renew
from xenci.services.report import report
from xenci.services.tick import clock, tick
from xenci.services.tidy import tidy
from xenci.services.webhook import tell_alarms

STEPS: dict[str, Step] = {
    "clock": clock,
    "tick": tick,
    "consider": consider,
    "missed": fetch_missed,
    "reconcile": reconcile,
    "prepare": prepare,
    "renew": renew,
    "dispatch": dispatch,
    "advance": advance,
    "pool": lambda ctx, _row: pool_tick(ctx),
    "node": advance_node,
    "image": advance_image,
    "report": report,
    "tidy": tidy,
    "cost": cost,
    "webhook": tell_alarms,
}
