"""The configuration of node images: how they are made and how many are kept."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import Field

from xenci.config.models.base import Duration, Model


class ImageDeadlines(Model):
    """How long each part of making an image may take."""

    #: until a node answers, and until one is tried; each. A full quota is waited for as long
    node: Duration = timedelta(hours=2)
    #: until the playbook has ended, and the node is proved
    prepare: Duration = timedelta(hours=2)
    #: until the cloud has the snapshot whole
    snapshot: Duration = timedelta(hours=1)


class Images(Model):
    """How `xenci image build` makes images of prepared nodes."""

    #: tried images kept of each label on each provider, the promoted one among them
    keep: int = Field(default=3, ge=1)
    #: the playbook that runs on the node, relative to the configuration file; default: playbooks/node.yml
    playbook: Path | None = None
    #: variables of the playbook, beside those that xenci sets; what there is stands at its beginning
    variables: dict[str, Any] = Field(default={})
    deadlines: ImageDeadlines = ImageDeadlines()
