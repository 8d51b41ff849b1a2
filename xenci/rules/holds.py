"""What is asked of a hold before it is written: a length within bounds, and a key that is one."""

import base64
import binascii
import re
from datetime import timedelta

#: a node that is held costs money: longer needs to be said again
LONGEST_HOLD = timedelta(days=14)
SHORTEST_HOLD = timedelta(minutes=1)

_KIND = re.compile(r"(?:sk-)?(?:ssh-ed25519|ecdsa-sha2-nistp(?:256|384|521)|ssh-rsa)(?:@openssh\.com)?")


def read_public_key(text: str) -> str | None:
    """Return the `KIND BASE64` of a line of a .pub file, or None if it is no public key. Its comment is left out.

    A line that begins with options, as authorized_keys may have, is none: they would be obeyed.
    """
    words = text.split()
    if len(words) < 2 or not _KIND.fullmatch(words[0]) or len(text) > 8000:
        return None
    try:
        blob = base64.b64decode(words[1], validate=True)
    except binascii.Error:
        return None
    length = int.from_bytes(blob[:4], "big")
    if len(blob) <= 4 + length or blob[4 : 4 + length] != words[0].encode():
        return None
    return f"{words[0]} {words[1]}"


def is_fit_length(length: timedelta) -> bool:
    """Tell whether a node may be held for so long."""
    return SHORTEST_HOLD <= length <= LONGEST_HOLD


def ssh_command(*, user: str, address: str, port: int) -> str:
    """Return what the owner of a hold types to get onto the node."""
    return f"ssh {user}@{address}" if port == 22 else f"ssh -p {port} {user}@{address}"
