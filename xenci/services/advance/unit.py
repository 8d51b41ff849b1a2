"""A phase that is a unit on the node: started if it was not, looked at, and written down when it has ended."""

from xenci.host.port import Host, Unit, UnitLook, UnitState
from xenci.model.build import Phase, Run
from xenci.services.advance.facts import DAMAGED
from xenci.services.advance.follow import console, end_stream, is_all_here, is_copy_cut, stream, watch
from xenci.services.advance.work import Work, begin_phase, end_phase, is_late
from xenci.services.context import Context

#: looks of one step at a unit that has ended, while more of its stream is on the node
_MOST_LOOKS = 20


class Ended:
    """How a unit ended: by itself with a code, or cut."""

    def __init__(self, exit_code: int | None) -> None:
        self.exit_code = exit_code
        self.is_cut = exit_code is None


def run_unit(ctx: Context, work: Work, host: Host, phase: Phase, run: Run, command: str) -> Ended | None:
    """Start a phase's unit, or look at it; return how it ended, or None while it runs."""
    name = work.unit(phase, run)
    row = begin_phase(ctx, work, phase, run, unit=name)
    is_tempest = phase is Phase.TEMPEST
    contract = work.job.node
    host.start_unit(
        Unit(
            name=name,
            command=command,
            working_directory=contract.tempest_dir if is_tempest else "/",
            env_file=contract.env_file,
            env=contract.tempest_env if is_tempest else {},
            stdout=stream(work, run) if is_tempest else console(work, phase, run),
            stderr=console(work, phase, run),
            limit=work.limit(phase),
        )
    )
    look, is_more = _look(ctx, work, host, phase, run)
    late = is_late(ctx, row)
    if look.state is UnitState.RUNNING and not late:
        return None
    if is_more:
        if not late:
            return None
        end_phase(ctx, work, phase, run, outcome="timed out: more of the stream is on the node than was fetched")
        return Ended(None)
    if look.state is UnitState.EXITED:
        return _end(ctx, work, phase, run, look)
    if late:
        host.stop_unit(name)
    end_phase(ctx, work, phase, run, outcome="timed out" if late or look.reason == "timeout" else f"cut: {look.reason}")
    return Ended(None)


def _look(ctx: Context, work: Work, host: Host, phase: Phase, run: Run) -> tuple[UnitLook, bool]:
    """Look at a unit; tell whether it has ended and more of its stream is on the node than one step brings."""
    for _ in range(_MOST_LOOKS):
        look = watch(ctx, work, host, phase, run)
        has_ended = look.state is UnitState.EXITED and phase is Phase.TEMPEST
        # of a copy that came to its limit nothing more is read
        if not has_ended or is_all_here(look, stream(work, run)) or is_copy_cut(ctx, work, run):
            return look, False
    return look, True


def _end(ctx: Context, work: Work, phase: Phase, run: Run, look: UnitLook) -> Ended:
    """Write down how a unit ended by itself, and what was lost of its stream."""
    damage = end_stream(ctx, work, run) if phase is Phase.TEMPEST else ""
    code = look.exit_code if look.exit_code is not None else -1
    outcome = "done" if code == 0 else f"exit code {code}"
    end_phase(ctx, work, phase, run, outcome=f"{DAMAGED}{damage}" if damage else outcome, exit_code=code)
    return Ended(code)
