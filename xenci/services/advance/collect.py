"""The last phase on the node: its logs are gathered by a unit there, brought over, and written to the index."""

from datetime import timedelta

import structlog
from sqlalchemy.dialects.postgresql import insert

from xenci.artifacts.port import TooManyArtifacts
from xenci.config.models import Artifacts
from xenci.host.collect import collect_command, put_script
from xenci.host.fetch import Limits, fetch
from xenci.host.port import CommandFailed, Host, HostLost, Unit, UnitState
from xenci.model.build import Phase, Run
from xenci.services.advance.door import on_node
from xenci.services.advance.follow import LOOK_EVERY, console, watch
from xenci.services.advance.work import Next, Work, begin_phase, end_phase, is_late
from xenci.services.context import Context
from xenci.store.tables import ArtifactRow

_LOG = structlog.get_logger()
_MB = 1_000_000
_NEXT = Next(step="judge", doing="is judged")


def collect(ctx: Context, work: Work) -> Next:
    """Gather and fetch the logs; what cannot be had is said in the phase's outcome, and the build is judged."""
    row = begin_phase(ctx, work, Phase.COLLECT, Run.FIRST, unit=work.unit(Phase.COLLECT, Run.FIRST))
    try:
        with on_node(ctx, work) as host:
            ended = _gather(ctx, work, host)
            if not ended and not is_late(ctx, row):
                return Next(step=work.step, after=LOOK_EVERY)
            outcome = "done" if ended else "timed out"
            if ended:
                _bring(ctx, work, host)
    except (CommandFailed, HostLost) as error:
        if not is_late(ctx, row):
            if isinstance(error, HostLost):
                raise
            return Next(step=work.step, after=timedelta(seconds=5))
        outcome = f"timed out: {error.sentence}"
    except TooManyArtifacts as error:
        outcome = error.sentence
    write_index(ctx, work)
    end_phase(ctx, work, Phase.COLLECT, Run.FIRST, outcome=outcome, exit_code=0 if outcome == "done" else None)
    return _NEXT


def write_index(ctx: Context, work: Work) -> None:
    """Write a row for each file of the build."""
    with ctx.database.session() as session:
        for stored in ctx.artifacts.list(work.uuid):
            row = insert(ArtifactRow).values(
                build_id=work.build_id, name=stored.name, size=stored.size, is_cut=stored.is_cut
            )
            session.execute(
                row.on_conflict_do_update(
                    index_elements=[ArtifactRow.build_id, ArtifactRow.name],
                    set_={"size": stored.size, "is_cut": stored.is_cut},
                )
            )


def _gather(ctx: Context, work: Work, host: Host) -> bool:
    """Have the unit run on the node; True once it has ended."""
    unit = work.unit(Phase.COLLECT, Run.FIRST)
    _start(ctx, work, host, unit)
    look = watch(ctx, work, host, Phase.COLLECT, Run.FIRST)
    return look.state is not UnitState.RUNNING


def _start(ctx: Context, work: Work, host: Host, unit: str) -> None:
    put_script(host)
    # consoles and streams of the phases were followed, and are here already
    limit = int(ctx.settings.artifacts.max_file_mb * _MB)
    command = collect_command(f"{work.folder}/collected", max_file=limit, sources={})
    host.start_unit(
        Unit(
            name=unit,
            command=command,
            stdout=console(work, Phase.COLLECT, Run.FIRST),
            stderr=console(work, Phase.COLLECT, Run.FIRST),
            limit=work.limit(Phase.COLLECT),
        )
    )


def _bring(ctx: Context, work: Work, host: Host) -> None:
    with fetch(
        host, f"{work.folder}/collected", limits=_limits(ctx.settings.artifacts), timeout=work.limit(Phase.COLLECT)
    ) as folder:
        for file in folder:
            ctx.artifacts.put(work.uuid, file.name, file, is_cut=file.is_cut)
        for refused in folder.refused:
            _LOG.warning("collect.refused", build=work.build_id, name=refused.name, reason=refused.reason)


def _limits(settings: Artifacts) -> Limits:
    return Limits(
        max_file=int(settings.max_file_mb * _MB),
        max_total=int(settings.max_build_mb * _MB),
        max_files=settings.max_files,
    )
