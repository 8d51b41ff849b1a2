"""Lets a person onto a node by their own key, and takes it away again: a marked line in authorized_keys."""

import shlex
from datetime import timedelta

from xenci.host.port import CommandFailed, Host

_PATIENCE = timedelta(seconds=90)


def add_key(host: Host, user: str, key: str, mark: str, *, file: str = "") -> None:
    """Let whoever has a key in as a user. Repeatable. Raises CommandFailed, HostLost.

    `key` is `KIND BASE64`, `mark` one word; `file` stands for the user's authorized_keys.
    """
    script = f"""{_find(user, file)}
        folder=$(dirname "$file")
        mkdir -p "$folder" && chmod 700 "$folder" && touch "$file" &&
        chown {shlex.quote(user)} "$folder" "$file" && chmod 600 "$file" || exit 1
        line=$(cat)
        grep -qxF -- "$line" "$file" && exit 0
        [ -z "$(tail -c 1 "$file")" ] || echo >> "$file"
        printf '%s\\n' "$line" >> "$file" """
    _run(host, script, f"{key} {mark}".encode())


def remove_key(host: Host, user: str, mark: str, *, file: str = "") -> None:
    """Take the line with a mark away; harmless if there is none. Raises CommandFailed, HostLost."""
    script = f"""{_find(user, file)}
        [ -f "$file" ] || exit 0
        awk -v mark="$(cat)" '$NF != mark' "$file" > "$file.xenci" &&
        cat "$file.xenci" > "$file" && rm "$file.xenci" """
    _run(host, script, mark.encode())


def _find(user: str, file: str) -> str:
    """Return a line of shell that sets `file`."""
    if file:
        return f"file={shlex.quote(file)}"
    # small machines have no getent; those whose accounts are elsewhere have them not in /etc/passwd
    entry = f"{{ getent passwd {shlex.quote(user)} || grep -e {shlex.quote(f'^{user}:')} /etc/passwd; }} 2> /dev/null"
    home = f"home=$({entry} | cut -d: -f6)"
    return f'{home}; [ -n "$home" ] || {{ echo no such user >&2; exit 2; }}; file=$home/.ssh/authorized_keys'


def _run(host: Host, script: str, given: bytes) -> None:
    output = host.run(script, timeout=_PATIENCE, input=given)
    if output.exit_code:
        raise CommandFailed(output.words, brief=f"The keys of {host.address} could not be changed")
