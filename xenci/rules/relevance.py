"""Says whether a trigger wants a patch set: its project, branch, files, and whether it is work in progress.

The answer is a sentence for the author, who reads it on the change's page under "Why was my change not run?".
"""

import re
from collections.abc import Iterable, Sequence
from typing import Protocol

from xenci.model.change import Patchset

#: files that Gerrit lists and nobody wrote
_PSEUDO_FILES = frozenset({"/COMMIT_MSG", "/MERGE_LIST", "/PATCHSET_LEVEL"})


class TriggerLike(Protocol):
    """What a pipeline wants; the configuration's Trigger is one."""

    @property
    def projects(self) -> Sequence[str]: ...
    @property
    def branches(self) -> Sequence[str]: ...
    @property
    def irrelevant_files(self) -> Sequence[str]: ...
    @property
    def wip(self) -> bool: ...


def refuse(patchset: Patchset, trigger: TriggerLike) -> str | None:
    """Return why a trigger does not want a patch set, as a sentence, or None if it does.

    Projects and branches must match whole; files match from their beginning, as in Zuul. A patch set whose files are
    not known is wanted: a run too many is better than a change that nobody tested.
    """
    if not any(re.fullmatch(pattern, patchset.project) for pattern in trigger.projects):
        return f"No pipeline tests project {patchset.project}."
    if not any(re.fullmatch(pattern, patchset.branch) for pattern in trigger.branches):
        return f"No pipeline tests branch {patchset.branch} of {patchset.project}."
    if patchset.wip and not trigger.wip:
        return f"Change {patchset.change} is work in progress."
    files = [name for name in patchset.files if name not in _PSEUDO_FILES]
    matching = [_first_match(trigger.irrelevant_files, name) for name in files]
    if files and all(matching):
        patterns = dict.fromkeys(pattern for pattern in matching if pattern)
        return f"{_only(files)} changed, and a change to {' or '.join(patterns)} alone is not tested."
    return None


def _only(files: Sequence[str]) -> str:
    if all(name.startswith(("doc/", "api-guide/", "api-ref/", "releasenotes/")) or _is_text(name) for name in files):
        return "Only documentation files"
    return f"Only {files[0]}" if len(files) == 1 else f"Only {len(files)} irrelevant files (the first is {files[0]})"


def _is_text(name: str) -> bool:
    return name.endswith((".rst", ".md", ".txt")) and "requirements" not in name


def _first_match(patterns: Iterable[str], name: str) -> str | None:
    return next((pattern for pattern in patterns if re.match(pattern, name)), None)
