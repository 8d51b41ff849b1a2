"""Gerrit's REST interface as one person sees it: JSON in, JSON out, plain errors."""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import quote

from xenci.errors import Permanent, Temporary

#: Gerrit puts this before every JSON answer, against cross-site inclusion
_GUARD = ")]}'"
#: the lab is on the loopback: a proxy of the environment must not come between
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Refused(Permanent):
    """The lab's Gerrit refused a request."""

    def __init__(self, detail: str, *, status: int) -> None:
        super().__init__(detail)
        self.status = status


class Silent(Temporary):
    """The lab's Gerrit does not answer."""


class Rest:
    """A signed-in person."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self._url = url.rstrip("/")
        self._user = user
        self._sign = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def get(self, path: str) -> Any:
        """Return the JSON answer of a GET."""
        return self.call("GET", path)

    def call(
        self, method: str, path: str, body: Mapping[str, Any] | str | None = None, ok: Collection[int] = ()
    ) -> Any:
        """Return the JSON answer, or the text if it is none; statuses in `ok` count as well as the 2xx (None then).

        A text as `body` is sent as such, anything else as JSON.
        Raises Refused with Gerrit's own words, Silent if nobody answers within a minute.
        """
        data = None if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
        request = urllib.request.Request(f"{self._url}/a/{path}", data=data, method=method)
        request.add_header("Authorization", self._sign)
        request.add_header("Accept", "application/json")
        if data is not None:
            kind = "text/plain" if isinstance(body, str) else "application/json; charset=UTF-8"
            request.add_header("Content-Type", kind)
        try:
            with _OPENER.open(request, timeout=60) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            if error.code in ok:
                return None
            words = error.read(400).decode(errors="replace").strip()
            raise Refused(f"{method} {path} as {self._user}: {error.code} {words}", status=error.code) from error
        except OSError as error:
            raise Silent(f"{method} {path} as {self._user}: {error}", remedy="See `xenci lab logs gerrit`") from error
        return json.loads(text.removeprefix(_GUARD)) if text.startswith(_GUARD) else text


def name(text: str) -> str:
    """Return a project, branch or change id as it stands in a path."""
    return quote(text, safe="")
