"""Turns what a cloud's driver did not expect into an error that is told like a cloud's other failures."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from xenci.errors import Temporary, XenciError

_LOG = structlog.get_logger()


class NotUnderstood(Temporary):
    """The cloud answered what its driver does not understand."""


@contextmanager
def understood(provider: str) -> Iterator[None]:
    """Let XenciErrors of a driver's call pass; raise NotUnderstood for every other, and log where it came from."""
    try:
        yield
    except XenciError:
        raise
    except Exception as error:
        _LOG.exception("provider.not_understood", provider=provider)
        detail = f"provider {provider}: {type(error).__name__}: {error}"
        raise NotUnderstood(
            detail, remedy="look at the cloud's own status, and at xenci's log for where it is"
        ) from error
