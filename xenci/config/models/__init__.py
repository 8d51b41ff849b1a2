"""The configuration as frozen models: one class for each noun of the YAML, units and defaults in one place."""

from xenci.config.models.base import Address, Duration, Model, Name, Pattern, parse_duration
from xenci.config.models.cost import Cost
from xenci.config.models.gerrit import Gerrit, GerritSsh, Pipeline, Trigger
from xenci.config.models.images import ImageDeadlines, Images
from xenci.config.models.jobs import Carry, Job, JobDeadlines, NodeContract
from xenci.config.models.libvirt import Libvirt, Size
from xenci.config.models.nodes import Label, NodeDeadlines, Provider, ProviderLabel
from xenci.config.models.settings import Alarms, Artifacts, Database, Settings, Web

__all__ = [
    "Address",
    "Alarms",
    "Artifacts",
    "Carry",
    "Cost",
    "Database",
    "Duration",
    "Gerrit",
    "GerritSsh",
    "ImageDeadlines",
    "Images",
    "Job",
    "JobDeadlines",
    "Label",
    "Libvirt",
    "Model",
    "Name",
    "NodeContract",
    "NodeDeadlines",
    "Pattern",
    "Pipeline",
    "Provider",
    "ProviderLabel",
    "Settings",
    "Size",
    "Trigger",
    "Web",
    "parse_duration",
]
