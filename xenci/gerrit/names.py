"""Names that come from Gerrit's users and go into paths and git commands: what is not plainly harmless is refused."""

import re

from xenci.gerrit.failures import HostileName

_PART = r"[A-Za-z0-9_][A-Za-z0-9_.+-]*"
_PATH = re.compile(rf"{_PART}(?:/{_PART})*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_REF = re.compile(r"refs/changes/\d{2}/[1-9]\d{0,9}/[1-9]\d{0,5}")
_SHA = re.compile(r"[0-9a-f]{40}")
_LONGEST = 200


def check_project(project: str) -> str:
    """Return the project's name. Raises HostileName."""
    return _check(
        "project", project, bool(_PATH.fullmatch(project)) and _is_plain(project) and ".git/" not in project + "/"
    )


def check_branch(branch: str) -> str:
    """Return the branch's name, without refs/heads/. Raises HostileName."""
    return _check("branch", branch, bool(_PATH.fullmatch(branch)) and _is_plain(branch))


def check_ref(ref: str) -> str:
    """Return a patch set's reference, refs/changes/NN/NNNN/N. Raises HostileName."""
    return _check("reference", ref, bool(_REF.fullmatch(ref)))


def check_sha(sha: str) -> str:
    """Return a commit's whole name in lower-case hexadecimal. Raises HostileName."""
    return _check("commit", sha, bool(_SHA.fullmatch(sha)))


def check_name(name: str) -> str:
    """Return a name of ours that becomes a part of a reference. Raises HostileName."""
    return _check("name", name, bool(_NAME.fullmatch(name)) and _is_plain(name))


def check_url(url: str) -> str:
    """Return an address to fetch from: http, https, or a path. Raises HostileName."""
    is_known = url.startswith(("http://", "https://", "/")) and url.isprintable() and "::" not in url
    return _check("address", url, is_known)


def _is_plain(path: str) -> bool:
    return ".." not in path and not any(part.endswith((".lock", ".")) for part in path.split("/"))


def _check(what: str, text: str, is_good: bool) -> str:
    if not is_good or len(text) > _LONGEST:
        remedy = "It is not fetched; if it is rightly named so, rename it or tell xenci's makers"
        raise HostileName(f"{what} {text[:80]!r}", remedy=remedy)
    return text
