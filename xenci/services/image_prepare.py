"""Prepares the node that an image is made of: the playbook runs on it as a detached unit; then it is proved.

Ansible runs on the node itself: its modules then cost no round trip each, and the play outlives our connection.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from xenci.config.models import Label, NodeContract, Settings
from xenci.errors import ConfigError, XenciError
from xenci.host.port import Host, HostKeyChanged, HostOdd, Unit, UnitState
from xenci.host.units import FOLDER as UNITS
from xenci.host.xen import NotXen, prove_host
from xenci.services.context import Context
from xenci.store.tables import ImageRow, NodeRow

#: where the playbook and its variables lie on the node while an image is made of it
FOLDER = "/var/lib/xenci/image"
#: the playbook leaves this file if the node must be started anew before it is a host
REBOOT = f"{FOLDER}/reboot"
_LOG = f"{FOLDER}/log"
_BOOT = "/proc/sys/kernel/random/boot_id"
_PATIENCE = timedelta(seconds=120)
#: a base image has no Ansible: it is fetched first, by a cloud's node, which has a network. Pipelining spares three
#: programs for each task
_COMMAND = f"""set -e
export ANSIBLE_PIPELINING=1 ANSIBLE_GATHERING=explicit
command -v ansible-playbook > /dev/null || {{
    apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends ansible-core; }}
exec ansible-playbook -c local -i localhost, -e @{FOLDER}/variables.json {FOLDER}/node.yml
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the preparation of a node has come."""

    is_done: bool = False
    #: why the node will never be an image
    failure: str = ""
    #: what it waits for
    words: str = ""
    #: digest of the playbook and its variables, once they are on the node
    recipe: str | None = None
    #: the boot that is to be left
    boot_id: str | None = None


def prepare(ctx: Context, image: ImageRow, node: NodeRow) -> Progress:
    """Take the preparation as far as it goes without waiting. Repeatable; what is told as Progress is to be written."""
    try:
        with open_node(ctx, node) as host:
            return _prepare(ctx, image, ctx.settings.label(image.label), host)
    except (NotXen, HostKeyChanged, ConfigError) as error:
        return Progress(failure=error.sentence)
    except XenciError as error:
        return Progress(words=f"waits for its node: {error.sentence}")


def tidy_up(ctx: Context, node: NodeRow) -> None:
    """Take from a node what its image must not have, and have its disk written. Raises HostLost, HostOdd."""
    with open_node(ctx, node) as host:
        output = host.run(f"rm -rf {FOLDER} {UNITS} && sync", timeout=_PATIENCE)
    if output.exit_code:
        raise HostOdd(f"{node.name}: it cannot be tidied up: {output.words}")


def open_node(ctx: Context, node: NodeRow) -> Any:
    """Lend the connection to an image's node."""
    label = ctx.settings.label(node.label)
    key = node.host_key or ""
    return ctx.hosts.host(node.address or "", user=label.ssh_user, host_key=key, port=label.ssh_port)


def playbook_of(settings: Settings) -> bytes:
    """Return the playbook. Raises ConfigError if its file cannot be read."""
    path = settings.images.playbook or Path(__file__).resolve().parents[2] / "playbooks" / "node.yml"
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}", brief="The playbook cannot be read", remedy="images.playbook"
        ) from error


def variables_of(settings: Settings, label: Label) -> bytes:
    """Return the playbook's variables as JSON: what the jobs of the label expect of the node, then the configured."""
    contracts = [job.node for job in settings.jobs if job.label == label.name] or [NodeContract()]
    told: dict[str, Any] = {
        "xenci_hypervisor": label.hypervisor,
        "xenci_trees": sorted({contract.tree for contract in contracts}),
        "xenci_other_trees": {name: path for one in contracts for name, path in one.trees.items()},
        "xenci_commands": sorted({contract.start_nova.split()[0] for contract in contracts}),
        "xenci_env_files": sorted({contract.env_file for contract in contracts}),
        "xenci_tempest_dirs": sorted({contract.tempest_dir for contract in contracts}),
        "xenci_reboot_file": REBOOT,
    }
    return json.dumps(told | settings.images.variables, sort_keys=True).encode()


def _prepare(ctx: Context, image: ImageRow, label: Label, host: Host) -> Progress:
    if image.recipe is None:
        return _push(ctx.settings, label, host)
    unit = f"xenci-image-{image.id}"
    limit = ctx.settings.images.deadlines.prepare
    host.start_unit(Unit(name=unit, command=_COMMAND, stdout=_LOG, stderr=_LOG, limit=limit))
    look = host.look(unit, {})
    match look.state:
        case UnitState.RUNNING:
            return Progress(words="the playbook runs")
        case UnitState.GONE:
            return Progress(failure=f"the playbook was cut: {look.reason or 'nobody knows by what'}")
    if look.exit_code:
        last = host.run(f"tail -n 15 {_LOG}", timeout=_PATIENCE).words
        return Progress(failure=f"the playbook ended with {look.exit_code}: {last}")
    if (reboot := _reboot(image, host)) is not None:
        return reboot
    if label.hypervisor == "xen":
        prove_host(host)
    return Progress(is_done=True)


def _push(settings: Settings, label: Label, host: Host) -> Progress:
    playbook, variables = playbook_of(settings), variables_of(settings, label)
    host.write(f"{FOLDER}/node.yml", playbook)
    host.write(f"{FOLDER}/variables.json", variables)
    digest = hashlib.sha256(playbook + b"\0" + variables).hexdigest()[:12]
    return Progress(words="the playbook is on the node", recipe=digest)


def _reboot(image: ImageRow, host: Host) -> Progress | None:
    """Have the node started anew if the playbook asked for it; None once that is done, or not asked for."""
    output = host.run(f"cat {_BOOT} && if [ -e {REBOOT} ]; then echo reboot; fi", timeout=_PATIENCE)
    if output.exit_code:
        raise HostOdd(f"{host.address}: its boot cannot be told: {output.words}")
    boot, *wanted = output.stdout.decode(errors="replace").split()[:2] or [""]
    if not wanted:
        return None
    if image.boot_id is None:
        # first it is written down: whoever comes after a crash sees whether the boot is another
        return Progress(words="is to be started anew", boot_id=boot)
    if image.boot_id != boot:
        return None
    host.run("systemctl reboot", timeout=_PATIENCE)
    return Progress(words="is being started anew")
