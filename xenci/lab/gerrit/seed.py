"""What the lab's Gerrit holds: label, groups, accounts, rights and projects, as OpenDev's has them where it matters.

A third-party CI may stream events and vote Verified ±1, nothing else: what xenci does here it can do at OpenDev. Every
step may be repeated; a mark with the fingerprint of all of them saves the seconds at the next start.
"""

import hashlib
import inspect
from pathlib import Path
from typing import Any

from xenci.lab import images
from xenci.lab.gerrit import people, rest, site
from xenci.lab.gerrit.people import ADMIN, CI_GROUP, DEVELOPERS, EVERYBODY, REVIEWERS
from xenci.lab.git import git, over_ssh
from xenci.lab.paths import LabPaths
from xenci.lab.progress import say, step

NOVA, NOVA_BRANCH = images.NOVA.project, images.NOVA.branch
TEMPEST, TEMPEST_BRANCH = images.TEMPEST.project, images.TEMPEST.branch
PROJECTS = (NOVA, TEMPEST, "opendev/ci-sandbox")
#: branches whose content is pushed
_PUSHED = {(one.project, one.branch) for one in images.UPSTREAMS}
_BRANCHES = ("master", NOVA_BRANCH)
#: Gerrit's own password for `admin` after `init --dev`
_FIRST_PASSWORD = "secret"


def ensure(paths: LabPaths, url: str, known_hosts: Path) -> None:
    """Seed the running Gerrit at `url`, unless this very seed has been completed here before."""
    mark = site.folder(paths) / "etc" / "seeded-by-xenci"
    if mark.exists() and mark.read_text() == _fingerprint():
        return
    with step("seed Gerrit with accounts, rights and projects"):
        admin = _admin(paths, url)
        _label(admin)
        _accounts(paths, admin)
        _rights(admin)
        _projects(admin)
        admin.call("POST", "accounts/self/sshkeys", people.public_key(paths, ADMIN))
    for upstream in images.UPSTREAMS:
        with step(f"push {upstream.title}'s source into Gerrit"):
            _push(paths, admin, upstream, known_hosts)
    mark.write_text(_fingerprint())


def _fingerprint() -> str:
    text = "".join(inspect.getsource(module) for module in (people, inspect.getmodule(ensure)) if module)
    return hashlib.sha256(text.encode()).hexdigest()


def _admin(paths: LabPaths, url: str) -> rest.Rest:
    password = people.password(paths, ADMIN)
    admin = rest.Rest(url, ADMIN.name, password)
    try:
        admin.get("accounts/self")
    except rest.Refused as error:
        if error.status != 401:
            raise
        first = rest.Rest(url, ADMIN.name, _FIRST_PASSWORD)
        first.call("PUT", "accounts/self/password.http", {"http_password": password})
    return admin


def _label(admin: rest.Rest) -> None:
    values = {"-1": "Does not seem to work", " 0": "No score", "+1": "Works for me"}
    values |= {"-2": "Fails (gate)", "+2": "Verified"}
    label = {"values": values, "function": "NoBlock", "commit_message": "Label Verified"}
    admin.call("PUT", "projects/All-Projects/labels/Verified", label)


def _accounts(paths: LabPaths, admin: rest.Rest) -> None:
    for group in (CI_GROUP, DEVELOPERS, REVIEWERS):
        admin.call("PUT", f"groups/{group}", {"visible_to_all": True}, ok={409})
    for person in EVERYBODY:
        password, key = people.password(paths, person), people.public_key(paths, person)
        admin.call("PUT", f"accounts/{person.name}", {"name": person.display, "email": person.mail}, ok={409})
        admin.call("PUT", f"accounts/{person.name}/password.http", {"http_password": password})
        admin.call("POST", f"accounts/{person.name}/sshkeys", key)
        admin.call("PUT", f"groups/{person.group}/members/{person.name}")


def _rights(admin: rest.Rest) -> None:
    groups = (CI_GROUP, DEVELOPERS, REVIEWERS, ADMIN.group)
    ci, developers, reviewers, admins = (admin.get(f"groups/{name}")["id"] for name in groups)
    anybody = "global:Registered-Users"
    allow = {"action": "ALLOW"}

    def vote(most: int) -> dict[str, Any]:
        return {**allow, "min": -most, "max": most}

    # a rule that is there already is not changed by adding it in another form
    lost: dict[str, Any] = {"label-Code-Review": {"rules": {anybody: {}}}, "push": {"rules": {admins: {}}}}
    gone = {"refs/heads/*": {"permissions": lost}}
    heads = {
        "label-Verified": {"label": "Verified", "rules": {ci: vote(1)}},
        "label-Code-Review": {"label": "Code-Review", "rules": {developers: vote(1), reviewers: vote(2)}},
        "submit": {"rules": {reviewers: allow}},
        # a test may take the branch back to where it was
        "push": {"rules": {admins: {**allow, "force": True}}},
    }
    # a third-party account talks; it does not push changes of its own
    review = {"push": {"rules": {ci: {"action": "BLOCK"}}}}
    stream = {"streamEvents": {"rules": {ci: allow}}}
    added = {
        "refs/heads/*": {"permissions": heads},
        "refs/for/*": {"permissions": review},
        "GLOBAL_CAPABILITIES": {"permissions": stream},
    }
    admin.call("POST", "projects/All-Projects/access", {"remove": gone})
    admin.call("POST", "projects/All-Projects/access", {"add": added, "message": "What a third-party CI may do"})


def _projects(admin: rest.Rest) -> None:
    for project in PROJECTS:
        path = f"projects/{rest.name(project)}"
        # Tempest has no stable branches, as upstream: what needs a change of it is tested with its master
        there = _BRANCHES if project != TEMPEST else (TEMPEST_BRANCH,)
        branches = [branch for branch in there if (project, branch) not in _PUSHED]
        admin.call("PUT", path, {"create_empty_commit": True, "branches": branches}, ok={409})
        for branch in branches:
            admin.call("PUT", f"{path}/branches/{rest.name(branch)}", {}, ok={409})
        for branch in set(_BRANCHES) - set(there):
            # an older lab made it
            admin.call("DELETE", f"{path}/branches/{rest.name(branch)}", ok={404, 409})


def _push(paths: LabPaths, admin: rest.Rest, upstream: images.Upstream, known_hosts: Path) -> None:
    source = images.repository(paths, upstream)
    commit = git("rev-parse", upstream.branch, at=source).strip()
    if _has(admin, upstream, commit):
        say(f"{upstream.project} has its branch {upstream.branch} already")
        return
    address = f"ssh://{ADMIN.name}@127.0.0.1:{paths.gerrit_ssh}/{upstream.project}"
    env = over_ssh(people.private_key(paths, ADMIN), known_hosts)
    # by force: an older lab's branch may hold nothing but the commit that Gerrit began it with
    git("push", "-q", address, f"+{commit}:refs/heads/{upstream.branch}", at=source, env=env)


def _has(admin: rest.Rest, upstream: images.Upstream, commit: str) -> bool:
    """Tell whether the branch in Gerrit is built on upstream's commit."""
    try:
        found = admin.get(f"projects/{rest.name(upstream.project)}/commits/{commit}/in")
    except rest.Refused as error:
        if error.status != 404:
            raise
        return False
    return upstream.branch in found.get("branches", [])
