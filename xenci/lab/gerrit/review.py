"""What people do with a change in the browser: comment, vote, submit, abandon, and read what others said."""

from collections.abc import Mapping
from typing import Any

from xenci.lab.gerrit import people, rest, server
from xenci.lab.gerrit.people import DEV, REVIEWER, Person
from xenci.lab.paths import LabPaths

#: where today's browser puts a comment on the whole patch set
PATCHSET_LEVEL = "/PATCHSET_LEVEL"


def signed_in(paths: LabPaths, person: Person) -> rest.Rest:
    """Return Gerrit's REST interface as this person sees it."""
    return rest.Rest(server.url(paths), person.name, people.password(paths, person))


def change(paths: LabPaths, number: int | str) -> dict[str, Any]:
    """Return Gerrit's ChangeInfo with all revisions, messages and votes; `number` may be any id of a change."""
    options = "o=ALL_REVISIONS&o=MESSAGES&o=DETAILED_LABELS&o=DETAILED_ACCOUNTS"
    info: dict[str, Any] = signed_in(paths, REVIEWER).get(f"changes/{number}?{options}")
    return info


def propose(paths: LabPaths, project: str, branch: str, subject: str, files: Mapping[str, str]) -> tuple[int, str]:
    """Make a change of these files (whole texts) in the browser, as the developer; return its number and address."""
    dev = signed_in(paths, DEV)
    made = dev.call("POST", "changes/", {"project": project, "branch": branch, "subject": subject})
    number = int(made["_number"])
    for path, text in files.items():
        dev.call("PUT", f"changes/{number}/edit/{rest.name(path)}", text)
    dev.call("POST", f"changes/{number}/edit:publish", {"notify": "NONE"})
    return number, f"{server.url(paths)}c/{project}/+/{number}"


def file_of_branch(paths: LabPaths, project: str, branch: str, path: str) -> str:
    """Return the text of a file at a branch's tip."""
    address = f"projects/{rest.name(project)}/branches/{rest.name(branch)}/files/{rest.name(path)}/content"
    return str(signed_in(paths, DEV).get(address))


def comment(
    paths: LabPaths, number: int | str, text: str, *, patchset_level: bool = False, person: Person = REVIEWER
) -> None:
    """Comment on the current patch set: as a message, or as the patch-set-level comment of today's browser."""
    body: dict[str, Any] = {"message": text}
    if patchset_level:
        body = {"comments": {PATCHSET_LEVEL: [{"message": text, "unresolved": False}]}}
    _review(paths, person, number, body)


def vote(paths: LabPaths, number: int | str, labels: Mapping[str, int], *, person: Person = REVIEWER) -> None:
    """Vote on the current patch set; raises Refused where the person may not."""
    _review(paths, person, number, {"labels": dict(labels)})


def submit(paths: LabPaths, number: int) -> None:
    """Approve and submit as the reviewer."""
    vote(paths, number, {"Code-Review": 2})
    signed_in(paths, REVIEWER).call("POST", f"changes/{number}/submit", {})


def abandon(paths: LabPaths, number: int) -> None:
    """Abandon as the developer, whose change it is."""
    signed_in(paths, DEV).call("POST", f"changes/{number}/abandon", {})


def open_changes(paths: LabPaths, *, topic: str = "") -> list[int]:
    """Return the numbers of the developer's open changes; only those of a topic if given."""
    query = f"is:open+owner:{DEV.name}" + (f"+topic:{topic}" if topic else "")
    return [int(info["_number"]) for info in signed_in(paths, REVIEWER).get(f"changes/?q={query}")]


def messages(paths: LabPaths, number: int | str, *, author: Person | None = None) -> list[str]:
    """Return the texts of the change's messages, oldest first; only those of `author` if given."""
    return [
        message["message"]
        for message in change(paths, number)["messages"]
        if author is None or message.get("author", {}).get("username") == author.name
    ]


def votes(paths: LabPaths, number: int | str, label: str = "Verified") -> dict[str, int]:
    """Return the votes on the current patch set by account name, without the zeros."""
    given = change(paths, number)["labels"].get(label, {}).get("all", [])
    return {vote["username"]: int(vote["value"]) for vote in given if vote.get("value")}


def _review(paths: LabPaths, person: Person, number: int | str, body: dict[str, Any]) -> None:
    signed_in(paths, person).call("POST", f"changes/{number}/revisions/current/review", body)
