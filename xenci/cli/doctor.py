"""`xenci doctor`: tries every door, and says of each whether it opens and if not what to do."""

import json as jsonlib
from collections.abc import Callable, Iterator

import typer
from sqlalchemy.exc import SQLAlchemyError

from xenci.cli.terminal import EXIT_TEMPORARY, ConfigOption, JsonOption, read_settings
from xenci.config.models import Settings
from xenci.errors import XenciError


def doctor(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Check configuration, database, Gerrit, clouds, disk and secrets; exit 3 if one is not well."""
    settings = read_settings(config)
    found = [_try(name, check) for name, check in _checks(settings)]
    if json:
        typer.echo(jsonlib.dumps(found, indent=2))
    else:
        for one in found:
            typer.echo(f"{'well' if one['well'] else 'ILL '}  {one['what']}: {one['words']}")
    if not all(one["well"] for one in found):
        raise typer.Exit(EXIT_TEMPORARY)


def _checks(settings: Settings) -> Iterator[tuple[str, Callable[[], str]]]:
    from xenci.services import checkup

    yield "database", lambda: checkup.database(settings)
    yield "Gerrit by REST", lambda: checkup.gerrit_rest(settings)
    yield "Gerrit's event stream", lambda: checkup.gerrit_stream(settings)
    for provider in settings.providers:
        yield f"provider {provider.name}", lambda provider=provider: checkup.provider(settings, provider)  # type: ignore[misc]
    yield "disk", lambda: checkup.disk(settings)
    yield "git", checkup.git
    yield "carried series", lambda: checkup.carries(settings)


def _try(name: str, check: Callable[[], str]) -> dict[str, object]:
    try:
        return {"what": name, "well": True, "words": check()}
    except XenciError as error:
        return {"what": name, "well": False, "words": error.sentence}
    except (OSError, SQLAlchemyError) as error:
        return {"what": name, "well": False, "words": str(error).split("\n")[0]}
