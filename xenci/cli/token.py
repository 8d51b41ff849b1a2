"""`xenci token`: who may act on the pages."""

from typing import Annotated

import typer

from xenci.cli.terminal import ConfigOption, JsonOption, ReasonOption, database_of, show, wish_of
from xenci.services.tokens import add_token, revoke_token
from xenci.store.tokens import all_tokens

app = typer.Typer(help="Tokens: who may act on the pages.", no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(help="Whose token it is; the audit names them so.")]


@app.command()
def add(name: NameArgument, reason: ReasonOption = "", config: ConfigOption = None) -> None:
    """Make a token and print it. It is told this once: only its hash is kept."""
    with database_of(config).session() as session:
        token = add_token(session, name, wish_of(reason))
    typer.echo(token)
    typer.echo(f"This is the token of {name}. It is not shown again; /login on the pages takes it.", err=True)


@app.command("list")
def list_tokens(config: ConfigOption = None, json: JsonOption = False) -> None:
    """List who has a token, and who had one."""
    with database_of(config).session() as session:
        rows = [
            {"name": row.name, "made_by": row.made_by, "made_at": row.made_at, "revoked_at": row.revoked_at}
            for row in all_tokens(session)
        ]
    show(rows, as_json=json, columns=("name", "made_by", "made_at", "revoked_at"), empty="nobody has a token")


@app.command()
def revoke(name: NameArgument, reason: ReasonOption = "", config: ConfigOption = None) -> None:
    """Make a token worthless at once."""
    with database_of(config).session() as session:
        said = revoke_token(session, name, wish_of(reason))
    typer.echo(said)
