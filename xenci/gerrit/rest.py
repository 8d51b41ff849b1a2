"""Asks Gerrit, and tells it: REST through python-gerrit-api, in the few calls that a CI needs.

The client's own objects ask three times where once is enough, so its plain `get` is used with our options; the session
below it (session.py) judges every answer.
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import chain
from typing import Any
from urllib.parse import quote

from gerrit import GerritClient
from gerrit.changes.revision import GerritChangeRevision

from xenci.config.models import Gerrit
from xenci.errors import NotFound
from xenci.gerrit.changes import OPTIONS, Comments, comments_by_message, view
from xenci.gerrit.eventslog import events_since
from xenci.gerrit.failures import HostileName, NotGerrit, TooManyChanges, VoteNotTaken
from xenci.gerrit.fields import clean, sequence, text
from xenci.gerrit.pace import Pace
from xenci.gerrit.parse import SHA, account
from xenci.gerrit.port import ChangeView
from xenci.gerrit.session import CHECK_URL, Session
from xenci.model.change import Account, Commit

LABEL = "Verified"
_PAGE = 50
_MOST_PAGES = 200
_REMEMBERED, _COMMITS = 5000, 500
_HAS_COMMENTS = re.compile(r"\(\d{1,6} comments?\)")
_PLAIN = re.compile(r"[\w./-]+")
_KEY = re.compile(r"I[0-9a-f]{40}")


class Rest:
    """A GerritRest. May be used by several threads: each has a connection of its own."""

    def __init__(
        self,
        settings: Gerrit,
        password: str,
        *,
        connect_timeout: timedelta = timedelta(seconds=10),
        timeout: timedelta = timedelta(seconds=60),
        page: int = _PAGE,
        most_pages: int = _MOST_PAGES,
    ) -> None:
        """`timeout` is the longest silence within one answer; `page` how many changes are asked for at once."""
        self._settings, self._password = settings, password
        self._connect_s, self._read_s = connect_timeout.total_seconds(), timeout.total_seconds()
        self._web = settings.url.rstrip("/") + "/"
        self._page, self._most_pages = page, most_pages
        self._pace = Pace(settings.requests_per_second)
        self._own = threading.local()
        self._comments: OrderedDict[int, tuple[str, Comments]] = OrderedDict()
        self._lock = threading.Lock()
        #: what a commit says never changes
        self._commit = lru_cache(_COMMITS)(self._ask_commit)

    def account(self) -> Account:
        """See the port. Raises WrongPassword."""
        try:
            return account(self._get_object("/accounts/self/detail"))
        except NotFound as error:
            # whoever is signed in has an account
            raise NotGerrit(error.detail, remedy=CHECK_URL) from error

    def change(self, number: int, *, project: str = "") -> ChangeView:
        """See the port. One request, and one more if there are comments not read before."""
        raw = self._get_object(f"/changes/{_id(number, project)}/detail", params={"o": list(OPTIONS)})
        found = self._view(raw)
        if found is None:
            raise NotGerrit(f"change {number} without a current patch set")
        return found

    def open_changes(self, projects: Sequence[str], *, since: datetime) -> Iterator[ChangeView]:
        """See the port. Pages until Gerrit says that there is no more, evenly in time.

        Raises TooManyChanges after ten thousand.
        """
        return self._query(open_query(projects, since), pace=self._pace)

    def commit(self, number: int, sha: str, *, project: str = "") -> Commit:
        """See the port. One request, none for a commit that was asked for lately."""
        return self._commit(number, _checked_sha(sha), project)

    def _ask_commit(self, number: int, sha: str, project: str) -> Commit:
        raw = self._get_object(f"/changes/{_id(number, project)}/revisions/{sha}/commit")
        parents = [text(one, "commit") for one in sequence(raw, "parents") if isinstance(one, dict)]
        if not all(SHA.fullmatch(parent) for parent in parents):
            raise NotGerrit(f"commit {sha} of {number} with parents that are none", remedy=CHECK_URL)
        return Commit(message=text(raw, "message"), parents=tuple(parents))

    def changes_of_commit(self, sha: str) -> tuple[ChangeView, ...]:
        """See the port."""
        found = self._query(f"commit:{_checked_sha(sha)}")
        return tuple(one for one in found if any(patchset.sha == sha for patchset in one.patchsets))

    def changes_of_key(self, key: str) -> tuple[ChangeView, ...]:
        """See the port."""
        if not _KEY.fullmatch(key):
            raise HostileName(f"Change-Id {key[:80]!r}")
        return tuple(one for one in self._query(f"change:{key}") if one.patchset.key == key)

    def review(self, number: int, sha: str, *, message: str, vote: int | None, tag: str, project: str = "") -> None:
        """See the port. The owner is notified, nobody's attention set changes.

        Raises VoteNotTaken if the comment was taken without it, NotAllowed, NotFound, GerritDown: after the last,
        Gerrit may have it.
        """
        _checked_sha(sha)
        body: dict[str, Any] = {"message": message, "tag": tag, "notify": "OWNER"}
        body |= {"omit_duplicate_comments": True, "ignore_automatic_attention_set_rules": True}
        if vote is not None:
            body["labels"] = {LABEL: vote}
        change = _id(number, project)
        answer = self._answer(lambda client: GerritChangeRevision(client, change, sha).set_review(body))
        taken = answer.get("labels") if isinstance(answer, dict) else None
        if vote is not None and (not isinstance(taken, dict) or taken.get(LABEL) != vote):
            raise VoteNotTaken(f"the comment on {number} was taken, its vote {LABEL} {vote:+d} was not")

    def _query(self, query: str, *, pace: Pace | None = None) -> Iterator[ChangeView]:
        """Yield each change that a query finds, once. Raises TooManyChanges."""
        seen, start = set[int](), 0
        for _ in range(self._most_pages):
            if pace is not None:
                pace.wait()
            params = {"q": query, "n": self._page, "S": start, "o": list(OPTIONS)}
            found = self._get("/changes/", params=params)
            if not isinstance(found, list):
                raise NotGerrit("a query for changes brought no list")
            for raw in found:
                one = self._view(raw, pace=pace) if isinstance(raw, dict) else None
                # a change that is touched between two pages moves the others on: one is told twice
                if one is not None and one.patchset.change not in seen:
                    seen.add(one.patchset.change)
                    yield one
            start += len(found)
            if not found or not isinstance(found[-1], dict) or found[-1].get("_more_changes") is not True:
                return
        remedy = "narrow the projects of the pipelines, or lower gerrit.reconcile_age"
        raise TooManyChanges(f"more than {start} for {query}", remedy=remedy)

    def missed_events(self, *, since: datetime) -> Iterator[bytes] | None:
        """See the port. The first answer tells whether the plugin is there."""
        found = events_since(lambda url: self._session().pieces(url), self._web, since)
        try:
            first = next(found, None)
        except NotFound:
            return None
        return iter(()) if first is None else chain([first], found)

    def group_members(self, group: str) -> tuple[Account, ...]:
        """See the port."""
        found = self._get(f"/groups/{quote(group, safe='')}/members/", params={"recursive": "true"})
        if not isinstance(found, list):
            raise NotGerrit(f"the members of group {group[:80]} are no list", remedy=CHECK_URL)
        return tuple(account(one) for one in found if isinstance(one, dict))

    def _view(self, raw: Mapping[str, Any], *, pace: Pace | None = None) -> ChangeView | None:
        found = view(raw, {}, web=self._web)
        if found is None:
            return None
        with_comments = [one.id for one in found.messages if _HAS_COMMENTS.search(one.text)]
        if not with_comments:
            return found
        comments = self._comments_of(found.patchset.change, found.patchset.project, with_comments[-1], pace)
        return view(raw, comments, web=self._web)

    def _comments_of(self, change: int, project: str, newest: str, pace: Pace | None) -> Comments:
        """Return a change's patchset-level comments; asked for only when a message brought new ones."""
        with self._lock:
            known = self._comments.get(change)
        if known is not None and known[0] == newest:
            return known[1]
        if pace is not None:
            pace.wait()
        try:
            comments = comments_by_message(self._get_object(f"/changes/{_id(change, project)}/comments"))
        except NotFound:
            # deleted or made private since the query
            return {}
        with self._lock:
            self._comments[change] = (newest, comments)
            self._comments.move_to_end(change)
            while len(self._comments) > _REMEMBERED:
                self._comments.popitem(last=False)
        return comments

    def _get_object(self, endpoint: str, **kwargs: Any) -> dict[str, Any]:
        found = self._get(endpoint, **kwargs)
        if not isinstance(found, dict):
            raise NotGerrit(f"{endpoint}: no JSON object", remedy=CHECK_URL)
        return found

    def _get(self, endpoint: str, **kwargs: Any) -> Any:
        return self._answer(lambda client: client.get(endpoint, **kwargs))

    def _answer(self, ask: Callable[[GerritClient], Any]) -> Any:
        try:
            return clean(ask(self._client()))
        except (ValueError, RecursionError) as error:
            words = " ".join(str(error)[:120].split())
            raise NotGerrit(words, remedy=CHECK_URL) from error

    def _session(self) -> Session:
        if not hasattr(self._own, "session"):
            self._own.session = Session(
                user=self._settings.user,
                password=self._password,
                password_from=f"the environment variable {self._settings.password_env}",
                connect_s=self._connect_s,
                read_s=self._read_s,
            )
        session: Session = self._own.session
        return session

    def _client(self) -> GerritClient:
        if not hasattr(self._own, "client"):
            self._own.client = GerritClient(base_url=self._web, session=self._session(), timeout=self._read_s)
        return self._own.client


def _id(number: int, project: str) -> str:
    """Return a change's id in an address."""
    return f"{quote(project, safe='')}~{int(number)}" if project else str(int(number))


def _checked_sha(sha: str) -> str:
    if not SHA.fullmatch(sha):
        raise HostileName(f"commit {sha[:80]!r}")
    return sha


def open_query(projects: Sequence[str], since: datetime) -> str:
    """Return Gerrit's query for the open changes of these projects touched since then. Raises HostileName."""
    terms = []
    for project in projects:
        if _PLAIN.fullmatch(project):
            terms.append(f"project:{project}")
            continue
        if '"' in project or not project.isprintable():
            raise HostileName(f"project {project[:80]!r}")
        # Gerrit's regular expressions begin with ^ and match the whole name
        terms.append(f'project:"^{project.removeprefix("^").removesuffix("$")}"')
    if not terms:
        raise HostileName("no project", remedy="Name at least one project in a pipeline's trigger")
    moment = since.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f'is:open ({" OR ".join(terms)}) since:"{moment}"'
