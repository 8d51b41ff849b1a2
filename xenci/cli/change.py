"""`xenci change`: what became of a change."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer
from sqlalchemy import select

from xenci.cli.terminal import ConfigOption, JsonOption, database_of, show_one
from xenci.errors import NotFound
from xenci.store.tables import ChangeRow

app = typer.Typer(help="Changes in Gerrit.", no_args_is_help=True)


@app.command("show")
def show_change(
    number: Annotated[int, typer.Argument(help="Gerrit's number of the change.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show a change: each patch set, what ran for it, and if nothing did, why."""
    with database_of(config).session() as session:
        row = session.scalar(select(ChangeRow).where(ChangeRow.number == number))
        if row is None:
            raise NotFound(
                f"change {number}",
                brief="xenci has not seen this change",
                remedy="look at its project and age, or run it by hand: xenci build run",
            )
        patchsets = [
            {
                "patchset": p.number,
                "sha": p.sha,
                "uploaded_at": p.uploaded_at,
                "not_run": p.not_run,
                "buildsets": [
                    {
                        "id": b.id,
                        "pipeline": b.pipeline,
                        "trigger": b.trigger,
                        "state": b.state,
                        "result": b.result,
                        "fault": b.fault,
                        "vote": b.vote,
                        "reasons": b.reasons,
                        "reports": [
                            {"state": r.state, "reason": r.reason, "posted_at": r.posted_at} for r in b.reports
                        ],
                    }
                    for b in p.buildsets
                ],
            }
            for p in row.patchsets
        ]
        facts = {
            "change": row.number,
            "project": row.project,
            "branch": row.branch,
            "subject": row.subject,
            "status": row.status,
            "url": row.url,
            "patchsets": patchsets if json else [_line(p) for p in patchsets],
        }
    show_one(facts, as_json=json)


def _vote(vote: int | None, reports: Sequence[Mapping[str, object]]) -> str:
    """Tell a vote, and whether Gerrit has it."""
    if not vote:
        return ""
    report = reports[-1] if reports else {"state": "no report", "reason": ""}
    if report["state"] == "posted":
        return f", Verified {vote:+d}"
    return f", Verified {vote:+d} not posted ({report['state']}{': ' if report['reason'] else ''}{report['reason']})"


def _line(patchset: Mapping[str, object]) -> str:
    text = f"{patchset['patchset']}: "
    buildsets = patchset["buildsets"]
    if not isinstance(buildsets, list) or not buildsets:
        return text + f"not run: {patchset['not_run'] or 'it is looked at'}"
    return text + "; ".join(
        f"buildset {b['id']} ({b['trigger']}) {b['result'] or b['state']}"
        + _vote(b["vote"], b["reports"])
        + (f": {b['reasons'][0]}" if b["reasons"] else "")
        for b in buildsets
    )
