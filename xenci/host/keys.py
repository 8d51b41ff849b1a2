"""The SSH host keys that a server told on its console.

A cloud gives no other way to know a new server: the console log comes over the cloud's own API, so nobody between us
and the server can have written it. The text is a machine's chatter all the same: cut at both ends, mixed with the
kernel's lines, and after a reboot or a restore with older keys in front; so a key counts only if it is whole, and the
last of its kind wins.
"""

import base64
import binascii
import re

#: the kinds that are used, the best first
KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
_KEY = re.compile(r"(?<![\w-])(" + "|".join(KINDS) + r") ([A-Za-z0-9+/]{60,2000}={0,3})(?![A-Za-z0-9+/=])")
_PARTS = {"ssh-ed25519": 2, "ssh-rsa": 3}


def host_keys_of_console(text: str) -> list[str]:
    """Return the keys told last, one of each kind, as `KIND BASE64`, the best kind first."""
    latest = {found[1]: f"{found[1]} {found[2]}" for found in _KEY.finditer(text) if _is_whole(found[1], found[2])}
    return [latest[kind] for kind in KINDS if kind in latest]


def _is_whole(kind: str, encoded: str) -> bool:
    """Whether a key's blob is what its kind says and has all its parts, to the last byte."""
    try:
        blob = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return False
    parts = []
    while blob:
        length = int.from_bytes(blob[:4], "big")
        parts.append(blob[4 : 4 + length])
        if len(blob) < 4 + length:
            return False
        blob = blob[4 + length :]
    if parts[0] != kind.encode() or len(parts) != _PARTS.get(kind, 3):
        return False
    return kind != "ssh-ed25519" or len(parts[1]) == 32
