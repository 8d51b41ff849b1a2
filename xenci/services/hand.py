"""An operator's hand for the pages: the same verbs as on the command line, each in a transaction of its own."""

from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session

from xenci.config.models import Settings
from xenci.errors import NotFound
from xenci.model.pool import Terms, Wish
from xenci.services import overrides
from xenci.services.autoholds import end_autohold
from xenci.services.consoles import console_of
from xenci.services.holds import hold_by_hand, release_by_hand
from xenci.services.nodes import delete_by_hand
from xenci.store.database import Database
from xenci.store.tables import NodeRow


class OperatorsHand:
    """See `dashboard/hand.py`."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings, self._database = settings, database

    def drain(self, provider: str, wish: Wish) -> str:
        return self._do(lambda session: overrides.drain(session, self._settings, provider, wish))

    def enable(self, provider: str, wish: Wish) -> str:
        return self._do(lambda session: overrides.enable(session, self._settings, provider, wish))

    def scale(self, name: str, value: int | None, wish: Wish) -> str:
        return self._do(lambda session: overrides.scale(session, self._settings, name, value, wish))

    def min_ready(self, label: str, value: int | None, wish: Wish) -> str:
        return self._do(lambda session: overrides.min_ready(session, self._settings, label, value, wish))

    def hold(self, node: str, terms: Terms, wish: Wish) -> str:
        return self._do(lambda session: hold_by_hand(session, _find(session, node), terms, wish))

    def release(self, node: str, wish: Wish) -> str:
        return self._do(lambda session: release_by_hand(session, _find(session, node), wish))

    def delete(self, node: str, wish: Wish) -> str:
        return self._do(
            lambda session: delete_by_hand(session, _find(session, node), who=wish.who, reason=wish.reason, at=wish.at)
        )

    def end_autohold(self, number: int, wish: Wish) -> str:
        return self._do(lambda session: end_autohold(session, number, wish))

    def console(self, node: str) -> str:
        with self._database.session() as session:
            row = _find(session, node)
        return console_of(self._settings, row)

    def _do(self, call: Callable[[Session], str]) -> str:
        with self._database.session() as session:
            return call(session)


def _find(session: Session, name: str) -> NodeRow:
    row = session.scalar(select(NodeRow).where(NodeRow.name == name))
    if row is None:
        raise NotFound(f"No node is named {name[:80]}", brief="There is no such node", remedy="look at all nodes")
    return row
