"""`xenci node`: the servers that become Xen hosts."""

import getpass
import sys
from typing import Annotated

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from xenci.cli import build as builds
from xenci.cli.autohold import ForOption, HoldReason, KeyOption, OwnerOption, terms_of
from xenci.cli.node_cloud import COLUMNS, cloud_rows
from xenci.cli.terminal import (
    ConfigOption,
    JsonOption,
    LimitOption,
    ReasonOption,
    database_of,
    open_ready,
    read_settings,
    show,
    show_one,
    wish_of,
)
from xenci.clock import now
from xenci.dashboard.ansi import visible
from xenci.errors import NotFound
from xenci.services.consoles import console_of
from xenci.services.holds import hold_by_hand, release_by_hand, way_in
from xenci.services.nodes import delete_by_hand
from xenci.store.holds import last_hold
from xenci.store.tables import HoldRow, NodeRow

app = typer.Typer(help="Nodes: servers of the clouds that become Xen hosts.", no_args_is_help=True)
NodeArgument = Annotated[str, typer.Argument(help="The node's number or name.")]


@app.command("list")
def list_nodes(
    config: ConfigOption = None,
    json: JsonOption = False,
    everything: Annotated[bool, typer.Option("--all", help="Deleted ones, too.")] = False,
    limit: LimitOption = 50,
    cloud: Annotated[bool, typer.Option("--cloud", help="What the clouds alone tell, asked now; row: ours.")] = False,
) -> None:
    """List the nodes that live."""
    if cloud:
        rows = cloud_rows(read_settings(config), database_of(config))
        show(rows, as_json=json, columns=COLUMNS, empty="the clouds have no server of ours")
        return
    query = select(NodeRow).order_by(NodeRow.id.desc()).limit(limit)
    if not everything:
        query = query.where(NodeRow.state != "deleted")
    with database_of(config).session() as session:
        rows = [_row(node) for node in session.scalars(query)]
    show(
        rows,
        as_json=json,
        columns=("id", "name", "label", "provider", "state", "address", "build", "created_at", "reason"),
        empty="no node lives",
    )


@app.command("show")
def show_node(node: NodeArgument, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show one node: its states with their times, and what was proved about it."""
    settings = read_settings(config)
    with open_ready(settings).session() as session:
        row = find(session, node)
        facts = _row(row) | {
            "way_in": way_in(settings, row),
            "hold": _hold_in_words(last_hold(session, row.id)),
            "server": row.server_id,
            "host_key": row.host_key,
            "active_at": row.active_at,
            "ssh_at": row.ssh_at,
            "ready_at": row.ready_at,
            "deleted_at": row.deleted_at,
            "failure": row.failure,
            "facts": row.facts if json else [f"{k}: {v}" for k, v in sorted(row.facts.items())],
        }
    show_one(facts, as_json=json)


@app.command()
def delete(
    node: NodeArgument,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; kept with the node.")] = "",
    config: ConfigOption = None,
) -> None:
    """Delete a node. A build that runs on it is tried again on another."""
    database = database_of(config)
    who = getpass.getuser()
    with database.session() as session:
        row = find(session, node)
        said = delete_by_hand(session, row, who=who, reason=reason, at=now())
    typer.echo(said)


@app.command()
def hold(
    target: Annotated[str, typer.Argument(help="A node's number or name, or build:NUMBER for the node of a build.")],
    reason: HoldReason,
    owner: OwnerOption = "",
    length: ForOption = "24h",
    key: KeyOption = None,
    config: ConfigOption = None,
) -> None:
    """Keep a node for a person: now, or as soon as its build or launch has ended. Prints the way onto it."""
    settings = read_settings(config)
    terms = terms_of(owner, reason, length, key)
    with open_ready(settings).session() as session:
        row = _node_of_build(session, target) if target.startswith("build:") else find(session, target)
        said = hold_by_hand(session, row, terms, wish_of(reason))
        way, host_key = way_in(settings, row), row.host_key
    typer.echo(said)
    if way:
        typer.echo(way)
        typer.echo(f"Its host key: {host_key or 'its console told none'}", err=True)


@app.command()
def release(node: NodeArgument, reason: ReasonOption = "", config: ConfigOption = None) -> None:
    """End a hold: the owner's key is taken away and the node deleted."""
    with database_of(config).session() as session:
        said = release_by_hand(session, find(session, node), wish_of(reason))
    typer.echo(said)


@app.command()
def console(node: NodeArgument, config: ConfigOption = None) -> None:
    """Print the end of a node's console, as its cloud tells it."""
    settings = read_settings(config)
    with open_ready(settings).session() as session:
        row = find(session, node)
    text = console_of(settings, row)
    typer.echo(visible(text) if sys.stdout.isatty() else text)


def _node_of_build(session: Session, target: str) -> NodeRow:
    build = builds.find(session, target.removeprefix("build:"))
    if build.node is None:
        raise NotFound(f"build {build.id}", brief="This build has no node", remedy="xenci autohold add waits for one")
    return build.node


def _hold_in_words(hold: HoldRow | None) -> str:
    if hold is None:
        return ""
    if hold.ended_at is not None:
        return f"was for {hold.owner} until {hold.ended_at:%Y-%m-%d %H:%M} UTC: {hold.ended_by}"
    until = f"until {hold.until:%Y-%m-%d %H:%M} UTC" if hold.until else "not begun yet"
    key = ""
    if hold.public_key:
        key = f"; key: {'on the node' if hold.key_at else hold.key_error or 'not there yet'}"
    elif hold.may_have_key:
        key = f"; a former owner's key may still be there: {hold.key_error or 'it is taken away'}"
    return f"for {hold.owner}, {until}: {hold.reason}{key}"


def find(session: Session, node: str) -> NodeRow:
    """Return the node of this number or name. Raises NotFound."""
    if node.isdigit():
        row = session.get(NodeRow, int(node))
    else:
        row = session.scalar(select(NodeRow).where(NodeRow.name == node))
    if row is None:
        raise NotFound(f"node {node}", brief="There is no such node", remedy="xenci node list --all")
    return row


def _row(node: NodeRow) -> dict[str, object]:
    return {
        "id": node.id,
        "name": node.name,
        "label": node.label,
        "provider": node.provider,
        "state": node.state,
        "reason": node.reason,
        "address": node.address,
        "build": node.build_id,
        "created_at": node.created_at,
    }
