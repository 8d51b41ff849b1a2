"""Says which names of files may come in from a node and be kept: plain relative ones, and nothing else."""

import re

_PART = re.compile(r"[A-Za-z0-9_+@=,:~-][A-Za-z0-9_+@=,:~.-]{0,119}")
MAX_LENGTH, MAX_DEPTH = 240, 6


def is_plain(name: str) -> bool:
    """Tell whether a name is parts of letters, digits and `_+@=,:~-.`, joined by `/`, none beginning with a dot."""
    parts = name.split("/")
    return len(name) <= MAX_LENGTH and len(parts) <= MAX_DEPTH and all(_PART.fullmatch(part) for part in parts)
