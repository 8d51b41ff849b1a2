"""Settings with one label on two clouds, for the tests of the pool."""

from pathlib import Path
from typing import Any

from tests.contracts.fake_cloud import HOST_KEY
from xenci.config.models import Settings

#: deadlines that no launch of a test meets unless it is to; a clock in a hurry counts them down
LONG = {"boot": "24h", "ssh": "24h", "xen": "24h"}


def make_settings(
    folder: Path, *, clouds: dict[str, str] | None = None, system: str = "test", **label: Any
) -> Settings:
    """Return settings whose label `small` is the stand-in machine on providers `ca` and `cb`.

    `clouds` are the providers' names in clouds.yaml; what else is named becomes a setting of the label.
    """
    names = clouds or {"ca": "ca", "cb": "cb"}
    providers = [
        {
            "name": name,
            "cloud": cloud,
            "failure_domain": name,
            "network": "lab",
            "max_servers": 10,
            "labels": [{"name": "small", "image": "standin", "flavor": "small"}],
        }
        for name, cloud in names.items()
    ]
    return Settings.model_validate(
        {
            "system": system,
            "contact": "https://example.org/contact",
            "state_dir": folder,
            "gerrit": {
                "url": "http://127.0.0.1:1/",
                "ssh": {"host": "127.0.0.1", "user": "ci", "key_file": "key", "host_key": HOST_KEY},
                "user": "ci",
            },
            "providers": providers,
            "labels": [{"name": "small", "hypervisor": "none", "max_nodes": 10} | label],
            "jobs": [{"name": "job", "label": "small", "tests": ["one"]}],
            "pipelines": [{"name": "check", "mode": "store_only", "trigger": {"projects": [".*"]}, "jobs": ["job"]}],
            "web": {"public_url": "http://127.0.0.1/"},
        }
    )
