"""One check for each door that the configuration names; each returns a sentence, or raises an error with a remedy."""

from xenci.config.models import Provider, Settings
from xenci.errors import ConfigError, Temporary
from xenci.gerrit.git import check_git
from xenci.gerrit.rest import Rest
from xenci.providers.registry import open_provider
from xenci.services.context import free_gb, gerrit_password
from xenci.services.streams import open_stream
from xenci.store import schema
from xenci.store.database import open_database


def database(settings: Settings) -> str:
    """Try the database and its schema."""
    opened = open_database(settings)
    try:
        opened.ping()
        schema.check(opened)
        return "answers, and has this version's schema"
    finally:
        opened.dispose()


def gerrit_rest(settings: Settings) -> str:
    """Try the address and the password."""
    me = Rest(settings.gerrit, gerrit_password(settings)).account()
    note = "" if me.name.endswith("CI") else "; its name does not end in CI: the results tab will not show its comments"
    return f"{settings.gerrit.url} knows us as {me.name} ({me.username}){note}"


def gerrit_stream(settings: Settings) -> str:
    """Try the host key, our key and the right to stream."""
    stream = open_stream(settings)
    try:
        for _ in stream.lines():
            return f"{settings.gerrit.ssh.host}:{settings.gerrit.ssh.port} streams events to us"
    finally:
        stream.close()
    raise Temporary("it ended at once", brief="Gerrit's event stream")


def provider(settings: Settings, provider: Provider) -> str:
    """Try the cloud: sign in, image, flavor, network, quota."""
    door = open_provider(provider, system=settings.system)
    door.check()
    return f"cloud {provider.cloud} has what its labels name; {len(door.list())} server(s) of ours"


def disk(settings: Settings) -> str:
    """Look whether the logs have room."""
    free, least = free_gb(settings.artifacts_dir), settings.artifacts.min_free_gb
    if free < least:
        raise Temporary(
            f"{free:.1f} GB are free in {settings.artifacts_dir}, {least:g} GB are wanted",
            brief="The disk of the logs is nearly full",
            remedy="free some space, or lower artifacts.min_free_gb",
        )
    return f"{free:.0f} GB are free for logs"


def git() -> str:
    """Look whether git can do what the preparation of trees needs."""
    return f"version {check_git()}"


def carries(settings: Settings) -> str:
    """Look whether the series that the jobs name are there."""
    patches = 0
    for job in settings.jobs:
        for carry in job.carry:
            found = sorted(carry.series.glob("*.patch"))
            if not found:
                raise ConfigError(f"job {job.name}: no patch in {carry.series}", remedy="mend jobs[].carry[].series")
            patches += sum(1 for p in found if not carry.patches or p.name.startswith(carry.patches))
    return f"{patches} patches"
