"""`xenci node`: the servers that become Xen hosts."""

import getpass
from typing import Annotated

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from xenci.cli.node_cloud import COLUMNS, cloud_rows
from xenci.cli.terminal import ConfigOption, JsonOption, LimitOption, database_of, read_settings, show, show_one
from xenci.clock import now
from xenci.errors import NotFound
from xenci.services.nodes import delete_by_hand
from xenci.store.tables import NodeRow

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
    with database_of(config).session() as session:
        row = find(session, node)
        facts = _row(row) | {
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
