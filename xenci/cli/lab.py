"""`xenci lab …`: the whole world of this CI on one machine, for newcomers, operators and tests."""

import contextlib
import signal
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from xenci.cli.terminal import EXIT_FAULT, tell
from xenci.lab import demo as lab_demo
from xenci.lab import logs as lab_logs
from xenci.lab import push as lab_push
from xenci.lab import status as lab_status
from xenci.lab import world
from xenci.lab.paths import LabPaths
from xenci.lab.progress import say
from xenci.lab.push.kinds import KINDS

app = typer.Typer(
    no_args_is_help=True, help="A real Gerrit, two real OpenStack clouds and real Xen hosts, on one machine."
)

#: Ctrl-C, a polite kill, and a terminal that is closed
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _kinds(beginning: str) -> list[str]:
    return [kind for kind in KINDS if kind.startswith(beginning)]


def _logs(beginning: str) -> list[str]:
    return [name for name in lab_logs.names(LabPaths.of_environment()) if name.startswith(beginning)]


@app.command()
def up(
    xenci: Annotated[bool, typer.Option(help="Start xenci as well, on this lab.")] = True,
) -> None:
    """Bring the lab up; what is up already stays as it is."""
    _let_be_interrupted()
    paths = LabPaths.of_environment()
    world.up(paths, xenci=xenci)
    _show(lab_status.read(paths))


@app.command()
def demo() -> None:
    """Bring the lab up, push a good change and a bad one, show what becomes of them; then stay until Ctrl-C."""
    _let_be_interrupted()
    paths = LabPaths.of_environment()
    failed: lab_demo.DemoFailed | None = None
    try:
        try:
            lab_demo.run(paths)
        except lab_demo.DemoFailed as error:
            # what went wrong can be looked at on the pages
            failed = error
            tell(error)
        say("all of it stays up until Ctrl-C")
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
    finally:
        for ending in _ENDINGS:  # an impatient second Ctrl-C would leave something behind
            signal.signal(ending, signal.SIG_IGN)
        world.down(paths)
    if failed is not None:
        raise typer.Exit(EXIT_FAULT)


@app.command()
def down() -> None:
    """End every process of the lab, also after a crash. What is stored stays."""
    world.down(LabPaths.of_environment())


@app.command()
def status(json: Json = False) -> None:
    """Tell what runs, since when, where and how big."""
    found = lab_status.read(LabPaths.of_environment())
    if json:
        typer.echo(found.to_json())
    else:
        _show(found)


@app.command()
def push(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.", autocompletion=_kinds)],
    json: Json = False,
    needs: Annotated[
        list[str] | None, typer.Option("--depends-on", help="Address of a change that it needs; may be repeated.")
    ] = None,
) -> None:
    """Push a change to Nova as a developer would, and print its address."""
    pushed = lab_push.push(LabPaths.of_environment(), kind, needs=needs or ())
    if json:
        typer.echo(pushed.to_json())
        return
    typer.echo(pushed.url)
    Console(stderr=True).print(f"change {pushed.number},{pushed.patchset}; to be expected: {KINDS[kind].expected}")


@app.command()
def logs(
    name: Annotated[
        str, typer.Argument(help="Name of a process, as `xenci lab status` lists it.", autocompletion=_logs)
    ],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows, until Ctrl-C.")] = False,
) -> None:
    """Print the log of one process of the lab."""
    for line in lab_logs.lines(lab_logs.file(LabPaths.of_environment(), name), follow=follow):
        typer.echo(line)


def _let_be_interrupted() -> None:
    """Make what ends a program a KeyboardInterrupt, also where a shell started us in the background."""
    for ending in _ENDINGS:
        signal.signal(ending, signal.default_int_handler)


def _show(found: lab_status.Status) -> None:
    console = Console()
    table = Table(box=None, pad_edge=False)
    for heading, side in (("PROCESS", "left"), ("PID", "right"), ("MEMORY", "right"), ("SINCE (UTC)", "left")):
        table.add_column(heading, justify="right" if side == "right" else "left")
    for process in found.processes:
        since = f"{process.since:%Y-%m-%d %H:%M:%S}"
        table.add_row(process.name, str(process.pid), f"{process.memory_mb:.0f} MB", since)
    for machine in found.machines:
        what = f"{machine.cloud}: server {machine.server[:8]} {' '.join(machine.addresses)}"
        table.add_row(what, str(machine.pid), f"{machine.memory_mb:.0f} MB", "")
    if found.processes or found.machines:
        console.print(table)
        console.print(f"together {found.memory_mb / 1024:.1f} GB of memory")
    else:
        console.print("Nothing runs: `xenci lab up` starts the lab.")
    for label, value in _facts(found):
        console.print(f"{label:<10} {value}", soft_wrap=True, highlight=False)


def _facts(found: lab_status.Status) -> list[tuple[str, str]]:
    sizes = "; ".join(f"{image}: {size}" for image, size in found.node_truly.items())
    cache = ", ".join(f"{part} {size}" for part, size in found.cache_mb.items())
    answers = "" if found.dashboard.answers else " (does not answer)"
    return [
        ("This is", "a lab: its votes are no production's"),
        ("Gerrit", f"{found.gerrit.url} (SSH port {found.gerrit.ssh_port}){'' if found.gerrit.runs else ' (stopped)'}"),
        ("Clouds", f"{', '.join(found.clouds)} in {found.clouds_yaml}"),
        ("Dashboard", f"{found.dashboard.url}{answers}"),
        ("Nodes", f"by flavor {found.node_nominal}; truly {sizes}"),
        ("State", found.state),
        ("Cache", f"{found.cache} (MB: {cache}); {found.disk_free_gb} GB of disk free"),
    ]
