"""xenci's configuration for this lab: the template `configs/lab.yaml` with this lab's places, ports and keys filled in.

A template that people can read beats a dictionary in code; what varies from lab to lab is said here once. Secrets are
not among it: they stay in the lab's environment file.
"""

import os
import string
from pathlib import Path

import xenci
from xenci.errors import ConfigError
from xenci.lab import gerrit, passwords
from xenci.lab.clouds import network
from xenci.lab.gerrit import people
from xenci.lab.paths import LabPaths

#: a node has two virtual CPUs, and what the host's cores emulate they do at a fraction of their speed
_NODE_CPUS, _MOST_NODES = 2, 4
CONFIGS = Path(xenci.__file__).parents[1] / "configs"


def values(paths: LabPaths) -> dict[str, str]:
    """Return what the template's placeholders stand for in this lab."""
    return {
        "state_dir": str(own_state(paths)),
        "carry_dir": str(CONFIGS / "carry"),
        "gerrit_url": gerrit.url(paths),
        "gerrit_ssh_host": "127.0.0.1",
        "gerrit_ssh_port": str(paths.gerrit_ssh),
        "gerrit_user": people.CI.name,
        "gerrit_key_file": str(people.private_key(paths, people.CI)),
        "gerrit_host_key": gerrit.host_key(paths),
        "gerrit_password_env": people.CI.variable,
        "node_key_file": str(network.tenant_key(paths).with_suffix("")),
        "node_ssh_port": str(network.ssh_port(paths)),
        "max_nodes": str(max_nodes(os.cpu_count() or 1)),
        "web_port": str(paths.web),
        "web_url": f"http://127.0.0.1:{paths.web}/",
    }


def max_nodes(cores: int) -> int:
    """Return how many nodes run at once on a host of so many cores: one for each pair, within the clouds' quotas."""
    return min(_MOST_NODES, max(1, cores // _NODE_CPUS))


def own_state(paths: LabPaths) -> Path:
    """Return the folder of xenci itself in this lab: its database, logs and mirrors, which `down` never touches."""
    return paths.state / "xenci"


def write_config(paths: LabPaths, template: Path = CONFIGS / "lab.yaml") -> Path:
    """Fill the template in and return the configuration's path. Raises ConfigError for a placeholder nobody knows.

    A dollar of the YAML's own is written `$$` in the template.
    """
    try:
        text = string.Template(template.read_text()).substitute(values(paths))
    except FileNotFoundError as error:
        raise ConfigError(f"{template} is missing", remedy="git checkout configs") from error
    except KeyError as error:
        known = ", ".join(values(paths))
        raise ConfigError(f"{template}: nobody fills in ${{{error.args[0]}}}", remedy=f"Known are {known}") from error
    except ValueError as error:
        raise ConfigError(f"{template}: {error}", remedy="A dollar of its own is written $$") from error
    paths.config.parent.mkdir(parents=True, exist_ok=True)
    new = paths.config.with_suffix(".new")
    new.write_text(f"# Written by `xenci lab up` from {template.name}: edits are lost at the next one.\n{text}")
    new.rename(paths.config)
    return paths.config


def environment(paths: LabPaths) -> dict[str, str]:
    """Return the environment that xenci needs in this lab: its secrets by name, its configuration, the clouds."""
    return {
        **passwords.read(paths.secrets),
        "XENCI_CONFIG": str(paths.config),
        "OS_CLIENT_CONFIG_FILE": str(paths.clouds_yaml),
    }
