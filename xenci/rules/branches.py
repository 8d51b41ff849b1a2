"""Says whether a job or a carried series is for a branch."""

import re
from collections.abc import Iterable


def is_branch_covered(branch: str, patterns: Iterable[str]) -> bool:
    """Tell whether one of the patterns matches the whole name of a branch."""
    return any(re.fullmatch(pattern, branch) for pattern in patterns)
