"""An operator's words about the pool: each is a row that wins over the configuration until it is taken back."""

from sqlalchemy.orm import Session

from xenci.config.models import Settings
from xenci.errors import NotFound, Permanent
from xenci.model.pool import OverrideKind, Wish
from xenci.services.engine import defer
from xenci.store.marks import audit
from xenci.store.overrides import put_override, take_back

#: more than this is a slip of the finger
_MOST = 1000


class WrongFigure(Permanent):
    """This is no figure for the pool."""


def drain(session: Session, settings: Settings, name: str, wish: Wish) -> str:
    """Give up what runs no build on a provider, and launch nothing there. Return what is said. Raises NotFound."""
    _find_provider(settings, name)
    put_override(session, OverrideKind.DRAIN, name, 0, wish)
    _note(session, f"pool drain {name}", wish)
    return f"{name} is drained: its running builds end, nothing is launched there until xenci pool enable {name}"


def enable(session: Session, settings: Settings, name: str, wish: Wish) -> str:
    """Use a drained provider again. Raises NotFound."""
    _find_provider(settings, name)
    if not take_back(session, OverrideKind.DRAIN, name):
        return f"{name} is not drained"
    _note(session, f"pool enable {name}", wish)
    return f"{name} is used again"


def scale(session: Session, settings: Settings, name: str, value: int | None, wish: Wish) -> str:
    """Say how many servers a provider, or nodes a label, may have at most; None: as configured.

    Raises NotFound, and WrongFigure for a figure out of bounds or a name that is both.
    """
    is_provider = any(one.name == name for one in settings.providers)
    if is_provider and any(one.name == name for one in settings.labels):
        raise WrongFigure(f"{name} is a provider and a label", remedy="give one of them another name")
    if not is_provider:
        _find_label(settings, name, "There is no such provider or label")
    kind = OverrideKind.MAX_SERVERS if is_provider else OverrideKind.MAX_NODES
    if value is None:
        return _reset(session, kind, name, f"pool scale {name} --reset", wish)
    _set(session, kind, name, value, f"pool scale {name} {value}", wish)
    return f"{name} may have {value} {'servers' if is_provider else 'nodes'} at most"


def min_ready(session: Session, settings: Settings, name: str, value: int | None, wish: Wish) -> str:
    """Say how many nodes of a label are kept ready; None: as configured. Raises NotFound, WrongFigure."""
    _find_label(settings, name, "There is no such label")
    if value is None:
        return _reset(session, OverrideKind.MIN_READY, name, f"pool min-ready {name} --reset", wish)
    _set(session, OverrideKind.MIN_READY, name, value, f"pool min-ready {name} {value}", wish)
    return f"{value} nodes of {name} are kept ready"


def _set(session: Session, kind: OverrideKind, name: str, value: int, what: str, wish: Wish) -> None:
    if not 0 <= value <= _MOST:
        raise WrongFigure(f"{name}: {value}", remedy=f"write a number from 0 to {_MOST}")
    put_override(session, kind, name, value, wish)
    _note(session, what, wish)


def _reset(session: Session, kind: OverrideKind, name: str, what: str, wish: Wish) -> str:
    if not take_back(session, kind, name):
        return f"{name} is as configured"
    _note(session, what, wish)
    return f"{name} is as configured again"


def _note(session: Session, what: str, wish: Wish) -> None:
    audit(session, who=wish.who, what=what, reason=wish.reason, at=wish.at)
    defer(session, "pool")


def _find_provider(settings: Settings, name: str) -> None:
    names = [one.name for one in settings.providers]
    if name not in names:
        raise NotFound(name[:80], brief="There is no such provider", remedy=f"there are {', '.join(names)}")


def _find_label(settings: Settings, name: str, brief: str) -> None:
    labels = [one.name for one in settings.labels]
    if name not in labels:
        names = [*labels, *(one.name for one in settings.providers)] if "provider" in brief else labels
        raise NotFound(name[:80], brief=brief, remedy=f"there are {', '.join(names)}")
