"""Has a node gather its logs in one folder: a shell script of ours, run there as a detached unit like a long phase.

It is a shell script and not Ansible, as the Python of its modules takes minutes on an emulated node.
"""

import shlex
from collections.abc import Mapping
from importlib.resources import files

from xenci.host.port import Host

SCRIPT = "/var/lib/xenci/collect.sh"


def put_script(host: Host) -> None:
    """Write the script onto the node; writing it again changes nothing. Raises CommandFailed, HostLost."""
    host.write(SCRIPT, files("xenci.host").joinpath("collect.sh").read_bytes(), mode=0o755)


def collect_command(folder: str, *, max_file: int, sources: Mapping[str, str]) -> str:
    """Return the command that gathers all in `folder`, made anew, and prints a manifest: size, `cut` or `-`, name.

    `sources` are further files by the name that they get, a folder's by a name with `/` at its end.
    """
    more = [f"{name}={path}" for name, path in sources.items()]
    return shlex.join(["/bin/sh", SCRIPT, folder, str(max_file), *more])
