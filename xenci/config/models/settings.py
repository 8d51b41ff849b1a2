"""The configuration as a whole, with what is looked up in it by name."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from xenci.config.models.base import Duration, Model, Name
from xenci.config.models.cost import Cost
from xenci.config.models.gerrit import Gerrit, Pipeline
from xenci.config.models.images import Images
from xenci.config.models.jobs import Job
from xenci.config.models.nodes import Label, Provider


class Database(Model):
    """Where PostgreSQL is: a URL named by an environment variable, or a folder for an embedded one."""

    #: environment variable that holds a postgresql:// URL; wins over `folder` when it is set
    url_env: str = "XENCI_DATABASE_URL"
    #: folder of the embedded cluster; default: `database` in the state folder
    folder: Path | None = None


class Artifacts(Model):
    """Where logs are kept and how much a node may send."""

    #: default: `artifacts` in the state folder
    folder: Path | None = None
    #: logs are kept at least this long
    keep: Duration = timedelta(days=60)
    #: with less free space no new build starts, and an alarm says so
    min_free_gb: float = 5.0
    max_file_mb: float = 64.0
    max_build_mb: float = 512.0
    max_files: int = 2000


class Web(Model):
    """The dashboard."""

    host: str = "127.0.0.1"
    port: int = 8088
    #: address that links in comments begin with, with the slash at the end
    public_url: str


class Alarms(Model):
    """Where alarms go besides the health page."""

    #: environment variable that holds the address of a webhook (JSON by POST)
    webhook_url_env: str = "XENCI_ALARM_WEBHOOK"


class Settings(Model):
    """One installation of xenci."""

    #: name of this installation: written on every server that it owns
    system: Name
    #: a lab says so on every page
    is_lab: bool = False
    #: page that tells whom to ask; in every comment
    contact: str
    #: database, artifacts, mirrors and keys live here
    state_dir: Path
    database: Database = Database()
    gerrit: Gerrit
    #: private key for the nodes; made if it is not there
    node_key_file: Path | None = None
    providers: tuple[Provider, ...] = Field(min_length=1)
    labels: tuple[Label, ...] = Field(min_length=1)
    jobs: tuple[Job, ...] = Field(min_length=1)
    pipelines: tuple[Pipeline, ...] = Field(min_length=1)
    artifacts: Artifacts = Artifacts()
    images: Images = Images()
    web: Web
    alarms: Alarms = Alarms()
    cost: Cost = Cost()
    #: a new installation posts nothing until `xenci report resume`; the lab starts unpaused
    reports_start_paused: bool = True

    @model_validator(mode="after")
    def _names_exist(self) -> "Settings":
        for what, names in (
            ("providers", [one.name for one in self.providers]),
            ("labels", [one.name for one in self.labels]),
            ("jobs", [one.name for one in self.jobs]),
            ("pipelines", [one.name for one in self.pipelines]),
            *((f"pipelines[{i}].jobs", list(one.jobs)) for i, one in enumerate(self.pipelines)),
        ):
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{what}: {twice[0]!r} is there more than once")
        places: dict[tuple[str, ...], str] = {}
        for i, provider in enumerate(self.providers):
            other = places.setdefault(provider.place, provider.name)
            if other != provider.name:
                where = " ".join(filter(None, provider.place[1:]))
                raise ValueError(f"providers[{i}]: {provider.name!r} and {other!r} are both {where!r}; make them one")
        labels = {label.name for label in self.labels}
        for i, job in enumerate(self.jobs):
            if not job.noop and job.label not in labels:
                raise ValueError(f"jobs[{i}].label: no label is named {job.label!r} (there are {_list(labels)})")
        jobs = {job.name for job in self.jobs}
        for i, pipeline in enumerate(self.pipelines):
            for name in pipeline.jobs:
                if name not in jobs:
                    raise ValueError(f"pipelines[{i}].jobs: no job is named {name!r} (there are {_list(jobs)})")
        for i, provider in enumerate(self.providers):
            for entry in provider.labels:
                if entry.name not in labels:
                    raise ValueError(f"providers[{i}].labels: no label is named {entry.name!r}")
        for label in self.labels:
            shares = sum(p.least_share for p in self.providers if any(entry.name == label.name for entry in p.labels))
            if shares > 1:
                raise ValueError(f"providers: the least_share of those that offer {label.name!r} add up to {shares:g}")
            if not any(entry.name == label.name for p in self.providers for entry in p.labels):
                raise ValueError(f"labels: no provider offers {label.name!r}; add it to a provider's labels")
        return self

    @property
    def artifacts_dir(self) -> Path:
        return self.artifacts.folder or self.state_dir / "artifacts"

    @property
    def mirrors_dir(self) -> Path:
        """Bare git mirrors, one for each project."""
        return self.state_dir / "mirrors"

    @property
    def node_key(self) -> Path:
        return self.node_key_file or self.state_dir / "node_key"

    @property
    def prices(self) -> dict[tuple[str, str], float]:
        """What an hour costs by provider and label, of those that have a price."""
        return {
            (provider.name, entry.name): entry.price_per_hour
            for provider in self.providers
            for entry in provider.labels
            if entry.price_per_hour is not None
        }

    def job(self, name: str) -> Job:
        """Return the job of this name. Raises KeyError."""
        return next((job for job in self.jobs if job.name == name), None) or _missing("job", name)

    def label(self, name: str) -> Label:
        """Return the label of this name. Raises KeyError."""
        return next((label for label in self.labels if label.name == name), None) or _missing("label", name)

    def pipeline(self, name: str) -> Pipeline:
        """Return the pipeline of this name. Raises KeyError."""
        return next((p for p in self.pipelines if p.name == name), None) or _missing("pipeline", name)

    def provider(self, name: str) -> Provider:
        """Return the provider of this name. Raises KeyError."""
        return next((p for p in self.providers if p.name == name), None) or _missing("provider", name)


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names))


def _missing(kind: str, name: str) -> Any:
    raise KeyError(f"no {kind} is named {name!r} in the configuration")
