"""The HTTP session below the Gerrit client: every answer is judged here, once, and in words that say what to do.

The client library drops what Gerrit says when it refuses, follows redirects to sign-in pages and takes a web page for
an answer. Here Gerrit's own words are kept, a redirect is a wrong address, and whatever is not JSON is not Gerrit.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from xenci.errors import NotFound, XenciError
from xenci.gerrit.failures import GerritDown, NotAllowed, NotGerrit, Refused, WrongPassword

_WORDS = 300
_PIECE = 64 * 1024
_OVERLOADED = 429
CHECK_URL = "Check gerrit.url in the configuration"


class Session(requests.Session):
    """A requests session that raises our errors alone. Not for several threads at once."""

    def __init__(self, *, user: str, password: str, password_from: str, connect_s: float, read_s: float) -> None:
        super().__init__()
        self.auth = (user, password)
        self._password_from = password_from
        self._timeout = (connect_s, read_s)
        # nothing is sent twice behind our back; a connection that the server has closed meanwhile is made anew
        adapter = HTTPAdapter(max_retries=0, pool_connections=1, pool_maxsize=1)
        self.mount("http://", adapter)
        self.mount("https://", adapter)

    def request(self, method: str, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Do as requests does, within our time limits, and judge the answer."""
        return self._judged(method, url, *args, **kwargs)

    def pieces(self, url: str) -> Iterator[bytes]:
        """Get a text piece by piece, whatever kind its server calls it: the events-log plugin says `text/html`."""
        where = urlsplit(url).netloc
        with self._judged("GET", url, may_be_page=True, stream=True) as answer:
            try:
                yield from answer.iter_content(_PIECE)
            except (requests.exceptions.RequestException, OSError) as error:
                raise GerritDown(f"{where}: {_cause(error)}", remedy=f"{CHECK_URL} and the network") from error

    def _judged(
        self, method: str, url: str | bytes, *args: Any, may_be_page: bool = False, **kwargs: Any
    ) -> requests.Response:
        kwargs |= {"timeout": self._timeout, "allow_redirects": False}
        where = f"{method} {urlsplit(_text(url)).path}"
        host = urlsplit(_text(url)).netloc
        try:
            answer = super().request(method, url, *args, **kwargs)
        except requests.exceptions.SSLError as error:
            raise GerritDown(f"{host}: {_cause(error)}", remedy="Check gerrit.url and the clock here") from error
        except requests.exceptions.Timeout as error:
            raise GerritDown(f"{where} of {host}: no answer within {self._timeout[1]:g} s") from error
        except (requests.exceptions.RequestException, OSError) as error:
            raise GerritDown(f"{host}: {_cause(error)}", remedy=f"{CHECK_URL} and the network") from error
        if fault := self._fault(answer, f"{where} of {host}", may_be_page=may_be_page):
            raise fault
        return answer

    def _fault(self, answer: requests.Response, where: str, *, may_be_page: bool) -> XenciError | None:
        status = answer.status_code
        if status == 200 and may_be_page:
            return None
        is_page = answer.headers.get("content-type", "").startswith("text/html")
        words = answer.reason if is_page else " ".join(answer.text[:_WORDS].split()) or answer.reason
        detail = f"{where}: {status} {words}"
        if status >= 500 or status == _OVERLOADED:
            return GerritDown(detail)
        if status == 401:
            user = self.auth[0] if isinstance(self.auth, tuple) else ""
            remedy = f"Put the account's HTTP password (Gerrit: Settings, HTTP Credentials) into {self._password_from}"
            return WrongPassword(f"{user} at {where}", remedy=remedy)
        if 300 <= status < 400 or (is_page and not may_be_page):
            told = answer.headers.get("location") or "a web page"
            return NotGerrit(f"{where}: {status}, {told}, where JSON should be", remedy=CHECK_URL)
        if status == 403:
            return NotAllowed(detail, remedy="Ask Gerrit's administrators for what this account lacks")
        if status == 404:
            return NotFound(detail, brief="Gerrit has no such thing, or does not show it to us")
        return Refused(detail) if status >= 400 else None


def _cause(error: BaseException) -> str:
    """Return the innermost reason of an error of requests, which wraps it thrice."""
    reason = getattr(error, "args", ("",))
    inner = getattr(reason[0], "reason", reason[0]) if reason else ""
    return str(inner).rpartition(": ")[2] or type(error).__name__


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode(errors="replace")
