"""Reads a Gerrit message for a request to run again, and gives it a key that is the same however it reached us.

The grammar is the field's: `recheck`, alone or followed by any text, as the first thing that a person says, runs every
CI again. Gerrit puts a preamble in front of what was said (patch set, votes, count of comments) and today's web
interface puts the words into a patchset-level comment instead, so both are read. Work is bounded: the text is cut,
taken line by line, and no pattern has a quantifier inside another.

A message has no id in the event stream, so its key is made of what both ways have, its time and its words:

- the stream tells when the *event* was made, in whole seconds; REST tells when the *message* was written, also in
  whole seconds as Gerrit keeps it in git. The first may be some seconds later, never earlier;
- the stream may give the words in `comment` and REST only as a patchset-level comment, so the request line counts and
  not the text around it;
- an author's user name or e-mail may be hidden in one of the two, so the author is no part of it.

So a key holds the second and a digest of the request line, and `same_request` knows it again within `SAME_REQUEST`.
Two people who ask for the same within that time get one run, as none could have ended between.
"""

import hashlib
import re
from collections.abc import Sequence
from datetime import timedelta

from xenci.model.change import Message

#: the same request on the same patch set within this time is one request
SAME_REQUEST = timedelta(seconds=30)


#: longest part of a message that is looked at, in characters
_READ = 4000
#: most patchset-level comments that are looked at
_COMMENTS = 20
#: longest request that is kept, in characters
_KEPT = 200

_KEY = re.compile(r"([0-9]{1,15})-([0-9a-f]{8})")
_PREAMBLE = re.compile(r"patch set [0-9]{1,9}:", re.IGNORECASE)
#: Code-Review+2, Verified-1, -Workflow (a vote taken back)
_VOTE = re.compile(r"-[A-Za-z][A-Za-z0-9-]{0,60}|[A-Za-z][A-Za-z0-9-]{0,60}[+-][0-9]")
_COMMENT_COUNT = re.compile(r"\([0-9]{1,9} (?:inline )?comments?\)", re.IGNORECASE)
#: `rechecking`, `recheck-vmware` and `recheck_it` are other words
_REQUEST = re.compile(r"(?:xen:[ \t]{0,20}|xen[ \t]{1,20})?recheck(?![\w-])", re.IGNORECASE)


def recheck_request(text: str, comments: Sequence[str] = ()) -> str | None:
    """Return the line that asks for another run, in small letters and single spaces, or None.

    `text` is the message with Gerrit's preamble, `comments` are the patchset-level comments that came with it. Only the
    first line that a person wrote counts: "please do not recheck" and a quoted "> recheck" ask for nothing.
    """
    for spoken in (_without_preamble(text[:_READ]), *(comment[:_READ] for comment in comments[:_COMMENTS])):
        line = _first_line(spoken)
        if _REQUEST.match(line):
            return " ".join(line.casefold().split())[:_KEPT]
    return None


def message_key(message: Message) -> str | None:
    """Return the part of a trigger's key that stands for this recheck, or None if the message is none."""
    words = recheck_request(message.text, message.comments)
    if words is None:
        return None
    digest = hashlib.sha256(words.encode()).hexdigest()[:8]
    return f"{int(message.posted_at.timestamp())}-{digest}"


def same_request(a: str, b: str) -> bool:
    """Say whether two message keys stand for one message, seen in the stream and by REST."""
    one, other = _KEY.fullmatch(a), _KEY.fullmatch(b)
    if one is None or other is None:
        return a == b
    return one[2] == other[2] and abs(int(one[1]) - int(other[1])) <= SAME_REQUEST.total_seconds()


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def _without_preamble(text: str) -> str:
    """Take off `Patch Set 3: Code-Review+1`, blank lines and `(2 comments)` from the beginning."""
    lines = text.splitlines()
    kept: list[str] = []
    for i, line in enumerate(lines):
        rest = line.strip()
        if not kept and (found := _PREAMBLE.match(rest)):
            rest = _without_votes(rest[found.end() :])
        if not rest or _COMMENT_COUNT.fullmatch(rest):
            continue
        kept.append(rest)
        kept.extend(lines[i + 1 : i + 2])
        break
    return "\n".join(kept)


def _without_votes(rest: str) -> str:
    words = rest.split()
    while words and _VOTE.fullmatch(words[0]):
        words.pop(0)
    return " ".join(words)
