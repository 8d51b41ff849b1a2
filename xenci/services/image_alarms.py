"""Alarms of node images whose provider or label left the configuration: nobody else comes back to them."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from xenci.config.models import Settings
from xenci.model.image import ImageState
from xenci.rules.images import AWAY, LEFT, MADE
from xenci.rules.pool_alarms import Alarm
from xenci.store.tables import ImageRow


def outlived(settings: Settings, keys: Iterable[str]) -> list[str]:
    """Return which of these open alarms are about making or deleting images where the configuration has no such."""
    offered = {f"{MADE}{one.name}:{entry.name}" for one in settings.providers for entry in one.labels}
    asked = tuple(f"{LEFT}{one.name}:" for one in settings.providers)
    return [
        key
        for key in keys
        if (key.startswith(MADE) and key not in offered) or (key.startswith(LEFT) and not key.startswith(asked))
    ]


def left_behind(session: Session, settings: Settings) -> list[Alarm]:
    """Return the alarm of images that are to go from providers which are no longer configured, if there are any.

    Of those that failed before they were prepared no snapshot was asked for: nothing is left of them.
    """
    query = select(ImageRow.provider, ImageRow.name).where(
        ImageRow.state.in_([ImageState.FAILED, ImageState.DELETING]),
        ImageRow.gone_at.is_(None),
        ImageRow.recipe.is_not(None),
        ImageRow.provider.not_in([one.name for one in settings.providers]),
    )
    there = [f"{name} on {provider}" for provider, name in session.execute(query.order_by(ImageRow.id))]
    if not there:
        return []
    return [
        Alarm(
            key=AWAY,
            brief="Node images may be left on clouds that are no longer configured",
            detail=", ".join(there),
            remedy="put the provider back into the configuration until xenci has deleted them",
        )
    ]
