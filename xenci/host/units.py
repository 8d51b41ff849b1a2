"""Detached units of the node's systemd: started once, looked at in one round trip.

The wrapper around the command leaves two marks beside its script: `NAME.began`, a folder, as making one is atomic and
so the command cannot begin twice, and `NAME.rc`, its exit code, written whole by a rename. A unit that systemd cut
(limit, reboot, memory) has the first mark and not the second: it is GONE, and never taken for ended. The script lies in
a file, as systemd would replace `$` and `%` on its own command line.

A look happens every few seconds, and a process costs an emulated node some 50 ms: while the wrapper lives, which the
shell sees by itself in /proc, systemd is not asked.
"""

import base64
import binascii
import re
import shlex
from collections.abc import Mapping
from datetime import timedelta
from posixpath import dirname
from typing import Protocol

from xenci.host.port import Chunk, CommandFailed, HostOdd, Output, Unit, UnitLook, UnitState

#: where the marks are kept on the node
FOLDER = "/var/lib/xenci/units"
#: most new bytes of one file in one look
LOOK_LIMIT = 256 * 1024
_PATIENCE = timedelta(seconds=180)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_PATH = re.compile(r"/[A-Za-z0-9_./@:+,=-]{0,400}")
_FILE = re.compile(r"file (\d{1,3}) (\d{1,15}) ([A-Za-z0-9+/=]*)")
#: the 22nd word of a process's state is when it began, in the kernel's ticks: with its number, nobody else's; the third
#: is Z where it has ended and nobody has waited for it yet
_READ_STAT = "read -r " + " ".join(f"_{n}" for n in range(1, 22)) + " began _rest"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Run(Protocol):
    """Host.run"""

    def __call__(self, command: str, *, timeout: timedelta, input: bytes = b"") -> Output: ...


def start(run: Run, unit: Unit, *, folder: str = FOLDER) -> bool:
    """Start a unit, unless one of its name was ever started. Raises CommandFailed, HostLost."""
    _check(unit)
    marks = f"{folder}/{unit.name}"
    folders = {folder, dirname(unit.stdout), dirname(unit.stderr), unit.working_directory}
    properties = {
        "WorkingDirectory": unit.working_directory,
        "RuntimeMaxSec": f"{unit.limit.total_seconds():.0f}",
        "TimeoutStopSec": "15",
        "StandardOutput": f"append:{unit.stdout}",
        "StandardError": f"append:{unit.stderr}",
    }
    if unit.env_file is not None:
        properties["EnvironmentFile"] = unit.env_file
    options = [f"--property={name}={value}" for name, value in properties.items()]
    options += [f"--setenv={name}={value}" for name, value in unit.env.items()]
    ask = shlex.join(["systemd-run", "--quiet", "--no-ask-password", f"--unit={unit.name}", *options])
    script = f"""# start {unit.name}
was_started() {{
    [ -e {marks}.began ] || [ -e {marks}.rc ] ||
        [ "$(systemctl show --property=LoadState --value {unit.name}.service)" = loaded ]
}}
if was_started; then echo there; exit 0; fi
systemctl show --property=Version > /dev/null || exit 3
mkdir -p {shlex.join(sorted(folders))} && cat > {marks}.sh.new && mv -f {marks}.sh.new {marks}.sh || exit 1
if {ask} /bin/sh {marks}.sh; then echo started; exit 0; fi
if was_started; then echo there; exit 0; fi
exit 1
"""
    output = run(script, timeout=_PATIENCE, input=_wrapper(marks, unit.command).encode())
    said = output.stdout.strip().decode(errors="replace")
    if output.exit_code or said not in ("there", "started"):
        raise CommandFailed(output.words, brief=f"The unit {unit.name} could not be started")
    return said == "started"


def look(run: Run, unit: str, follow: Mapping[str, int], *, limit: int = LOOK_LIMIT, folder: str = FOLDER) -> UnitLook:
    """Look at a unit and at files that it writes. What is read of them was written before the state was asked.

    Raises HostLost, also when systemd itself does not answer: that is no news of the unit.
    """
    _check_names(unit, *follow)
    marks = f"{folder}/{unit}"
    asked = " ".join(f"{i}:{offset}:{path}" for i, (path, offset) in enumerate(follow.items()))
    script = f"""# look at {unit}
LC_ALL=C; export LC_ALL
alive() {{
    read -r pid then 2> /dev/null < {marks}.began/process || return 1
    {_READ_STAT} 2> /dev/null < /proc/$pid/stat || return 1
    [ "$began" = "$then" ] && [ $_3 != Z ]
}}
if alive; then echo ActiveState=active
else systemctl show --property=LoadState --property=ActiveState --property=Result {unit}.service || exit 3
fi
if [ -f {marks}.rc ]; then read -r code < {marks}.rc; echo "code=$code"; fi
for asked in {asked}; do
    number=${{asked%%:*}} path=${{asked#*:*:}} offset=${{asked#*:}}; offset=${{offset%%:*}}
    if [ -f "$path" ] && size=$(stat -L -c %s "$path"); then
        more=$((size - offset)); [ $more -le {limit} ] || more={limit}
        printf 'file %s %s ' $number $size
        [ $more -le 0 ] || dd "if=$path" bs=65536 iflag=skip_bytes,count_bytes skip=$offset count=$more status=none |
            base64 -w 0
        echo
    fi
done
echo end
"""
    output = run(script, timeout=_PATIENCE)
    lines = output.stdout.decode(errors="replace").splitlines()
    if output.exit_code or not lines or lines[-1] != "end":
        raise HostOdd(f"a look at {unit}: exit code {output.exit_code}: {output.words[-300:]}")
    facts = dict(line.split("=", 1) for line in lines if re.match(r"\w+=", line))
    chunks = _chunks([line for line in lines if line.startswith("file ")], list(follow.items()), limit)
    state, code, reason = _state(unit, facts)
    return UnitLook(state=state, exit_code=code, reason=reason, files=chunks)


def stop(run: Run, unit: str) -> None:
    """End a unit and all its processes, if it runs; it leaves no exit code. Raises CommandFailed, HostLost."""
    _check_names(unit)
    output = run(f"systemctl show --property=Version > /dev/null && systemctl stop {unit}.service", timeout=_PATIENCE)
    # 5: it is not loaded, for it ended or never began
    if output.exit_code not in (0, 5):
        raise CommandFailed(output.words, brief=f"The unit {unit} could not be ended")


def _state(unit: str, facts: Mapping[str, str]) -> tuple[UnitState, int | None, str]:
    if (code := facts.get("code")) is not None:
        if not re.fullmatch(r"\d{1,3}\s*", code):
            raise HostOdd(f"the exit code of {unit} is {code[:40]!r}")
        return UnitState.EXITED, int(code), ""
    if facts.get("ActiveState") in ("active", "activating", "deactivating", "reloading"):
        return UnitState.RUNNING, None, ""
    if facts.get("ActiveState") not in ("inactive", "failed"):
        raise HostOdd(f"the state of {unit} is {facts.get('ActiveState', '')[:40]!r}")
    result = re.sub(r"[^a-z-]", "", facts.get("Result", ""))[:40]
    return UnitState.GONE, None, "" if result == "success" else result


def _chunks(lines: list[str], asked: list[tuple[str, int]], limit: int) -> dict[str, Chunk]:
    chunks = {path: Chunk(offset=offset, data=b"", size=0) for path, offset in asked}
    for line in lines:
        found = _FILE.fullmatch(line)
        if not found or int(found[1]) >= len(asked):
            raise HostOdd(f"a line of a look is {line[:80]!r}")
        path, offset = asked[int(found[1])]
        try:
            data = base64.b64decode(found[3], validate=True)
        except binascii.Error as error:
            raise HostOdd(f"the bytes of {path} are cut: {error}") from error
        if len(data) > limit:
            raise HostOdd(f"{path}: {len(data)} bytes instead of at most {limit}")
        chunks[path] = Chunk(offset=offset, data=data, size=int(found[2]))
    return chunks


def _wrapper(marks: str, command: str) -> str:
    return f"""#!/bin/sh
mkdir {marks}.began || exit 0
{_READ_STAT} < /proc/$$/stat && echo "$$ $began" > {marks}.began/process
/bin/sh -c {shlex.quote(command)}
echo $? > {marks}.rc.new && mv -f {marks}.rc.new {marks}.rc
"""


def _check(unit: Unit) -> None:
    paths = [unit.stdout, unit.stderr, unit.working_directory]
    _check_names(unit.name, *paths, *([unit.env_file] if unit.env_file else []))
    for name in unit.env:
        if not _VARIABLE.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a variable")


def _check_names(unit: str, *paths: str) -> None:
    if not _NAME.fullmatch(unit):
        raise ValueError(f"{unit!r} is no name for a unit: letters, digits, . _ -")
    for path in paths:
        if not _PATH.fullmatch(path):
            raise ValueError(f"{path!r} is no path for a unit: absolute, of letters, digits and _./@:+,=-")
