"""Knows who is a CI: the accounts that the configuration names, and the members of the groups that it names.

Members are asked of Gerrit about once an hour. A group that Gerrit does not show us is an alarm, as what its accounts
write could start runs.
"""

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from xenci.clock import Clock
from xenci.config.models import Gerrit
from xenci.errors import Permanent, Temporary
from xenci.gerrit.port import GerritRest
from xenci.store.database import Database
from xenci.store.marks import clear_alarm, open_alarms, raise_alarm

_LOG = structlog.get_logger()
#: begin of the key of a group's alarm
_ALARM = "gerrit:group:"
#: how long members are believed, and when a group that could not be read is asked for again
_FRESH, _AGAIN = timedelta(hours=1), timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cis:
    """Who is a CI, as the rules of the trigger ask for it."""

    ignored_users: tuple[str, ...]
    ignored_names: str


class CiGroups:
    """The members of the groups of CIs, as they were last told. For several threads."""

    def __init__(self, rest: GerritRest, database: Database, clock: Clock) -> None:
        self._rest, self._database, self._clock = rest, database, clock
        self._lock = threading.Lock()
        self._members: dict[str, tuple[str, ...]] = {}
        self._next: dict[str, datetime] = {}
        self._named: tuple[str, ...] | None = None

    def cis(self, gerrit: Gerrit) -> Cis:
        """Return who is a CI. Raises Temporary if Gerrit does not answer and a group's members were never told."""
        users = list(gerrit.ignored_users)
        with self._lock:
            if self._named != gerrit.ignored_groups:
                self._close_others(gerrit.ignored_groups)
            for group in gerrit.ignored_groups:
                if self._clock() >= self._next.get(group, self._clock()):
                    self._ask(group)
                users += self._members.get(group, ())
        return Cis(ignored_users=tuple(users), ignored_names=gerrit.ignored_names)

    def _close_others(self, named: tuple[str, ...]) -> None:
        """Close the alarms of groups that the configuration no longer names."""
        with self._database.session() as session:
            for alarm in open_alarms(session):
                if alarm.key.startswith(_ALARM) and alarm.key.removeprefix(_ALARM) not in named:
                    clear_alarm(session, alarm.key, at=self._clock())
        self._named = named

    def _ask(self, group: str) -> None:
        at = self._clock()
        try:
            self._members[group] = tuple(one.username for one in self._rest.group_members(group) if one.username)
        except Temporary as error:
            if group not in self._members:
                raise
            _LOG.warning("groups.old", group=group, error=error.sentence)
            self._next[group] = at + _AGAIN
        except Permanent as error:
            self._next[group] = at + _AGAIN
            with self._database.session() as session:
                raise_alarm(
                    session,
                    f"{_ALARM}{group}",
                    brief=f"Gerrit does not tell us who is in the group {group}: comments of its CIs may start runs",
                    detail=error.sentence,
                    remedy="ask Gerrit's administrators to make the group visible to all, or name its accounts in "
                    "gerrit.ignored_users and take it out of gerrit.ignored_groups",
                    at=at,
                )
        else:
            self._next[group] = at + _FRESH
            with self._database.session() as session:
                clear_alarm(session, f"{_ALARM}{group}", at=at)
