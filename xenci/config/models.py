"""The configuration as frozen models: one class for each noun of the YAML, units and defaults in one place."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema, model_validator

from xenci.model.build import Mode

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def parse_duration(value: Any) -> Any:
    """Turn `90s`, `10m`, `2h` or `1d` into a timedelta; anything else is left to pydantic, which refuses it."""
    if isinstance(value, str) and (found := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|m|min|h|d)\s*", value)):
        return timedelta(seconds=float(found[1]) * _UNITS[found[2]])
    if isinstance(value, timedelta):
        return value
    raise ValueError(f"{value!r} is no duration: write 90s, 10m, 2h or 1d")


#: a length of time: 90s, 10m, 2h, 1d
Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(lambda d: f"{d.total_seconds():.15g}s", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?\s*(s|m|min|h|d)$"}),
]
#: a name that appears in comments, addresses and unit names
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"{value!r} is no regular expression: {error}") from error
    return value


#: a regular expression
Pattern = Annotated[str, BeforeValidator(_pattern)]

#: a web address
Address = Annotated[str, Field(pattern=r"^https?://[^/\s]+")]


class Model(BaseModel):
    """Frozen; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Database(Model):
    """Where PostgreSQL is: a URL named by an environment variable, or a folder for an embedded one."""

    #: environment variable that holds a postgresql:// URL; wins over `folder` when it is set
    url_env: str = "XENCI_DATABASE_URL"
    #: folder of the embedded cluster; default: `database` in the state folder
    folder: Path | None = None


class GerritSsh(Model):
    """The event stream."""

    host: str
    port: int = 29418
    user: str
    #: private key, readable by xenci alone
    key_file: Path
    #: the server's public key as in known_hosts, `ssh-ed25519 AAAA…`: pinned, a changed one stops the listener
    host_key: str
    #: how often a keepalive is sent
    keepalive: Duration = timedelta(seconds=30)
    #: with nothing heard for so long the connection is made anew and open changes are looked through
    silence: Duration = timedelta(minutes=20)


class Gerrit(Model):
    """One Gerrit server."""

    #: address of the web interface, with the slash at the end
    url: str
    #: other addresses that it has, or had: what `Depends-On` lines name there is looked for here
    aliases: tuple[Address, ...] = ()
    ssh: GerritSsh
    #: the account's user name for REST
    user: str
    #: environment variable that holds the account's HTTP password
    password_env: str = "XENCI_GERRIT_HTTP_PASSWORD"
    #: address that projects are fetched from, `{project}` in it; default: the web address
    git_url: str | None = None
    #: user names that are CIs: their comments never trigger
    ignored_users: tuple[str, ...] = ("zuul",)
    #: groups in Gerrit whose members are CIs; our account must be allowed to see them
    ignored_groups: tuple[str, ...] = ()
    #: names that end like this are CIs too
    ignored_names: Pattern = r"\bCI$"
    #: how often open changes are looked through: those that were touched since the last whole look
    reconcile_every: Duration = timedelta(minutes=5)
    #: how much farther back that goes: more than our clock and Gerrit's differ
    reconcile_margin: Duration = timedelta(hours=1)
    #: how far back the first look goes, one a day, and the one after a change of the triggers
    reconcile_age: Duration = timedelta(days=7)
    #: most requests a second while open changes are looked through
    requests_per_second: float = Field(default=10, gt=0)
    #: wait after an upload, as Gerrit may answer inconsistently at first
    settle: Duration = timedelta(seconds=3)
    #: projects that are there to try a CI: noop jobs vote here, and nothing here counts in a criterion
    sandboxes: tuple[Pattern, ...] = ("^opendev/ci-sandbox$",)

    def is_sandbox(self, project: str) -> bool:
        """Tell whether a project is there to try a CI."""
        return any(re.search(pattern, project) for pattern in self.sandboxes)

    def repository(self, project: str) -> str:
        """Return the address that a project is fetched from."""
        return (self.git_url or f"{self.url.rstrip('/')}/{{project}}").replace("{project}", project)


class ProviderLabel(Model):
    """What a label is on this provider."""

    name: Name
    image: str
    flavor: str


class Provider(Model):
    """One region of one cloud."""

    name: Name
    driver: Literal["openstack"] = "openstack"
    #: name of the cloud in openstacksdk's clouds.yaml
    cloud: str
    #: region, if the cloud has more than one
    region: str | None = None
    #: what this provider shares with others when it fails: Group A asks for two different ones
    failure_domain: str
    #: network of the servers
    network: str
    security_groups: tuple[str, ...] = ()
    availability_zone: str | None = None
    #: most servers of ours at once
    max_servers: int = Field(ge=0)
    labels: tuple[ProviderLabel, ...]
    #: longest time that one call to the cloud's API may take
    api_timeout: Duration = timedelta(seconds=60)


class NodeDeadlines(Model):
    """How long a node may take until it is ready."""

    boot: Duration = timedelta(minutes=12)
    ssh: Duration = timedelta(minutes=10)
    xen: Duration = timedelta(minutes=5)


class Label(Model):
    """What a job asks for: a kind of node."""

    name: Name
    #: what must be proved before a node is ready; `none` is for machines that test xenci, never for votes
    hypervisor: Literal["xen", "none"] = "xen"
    #: verified nodes kept waiting
    min_ready: int = Field(default=0, ge=0)
    #: most nodes of this label at once, over all providers
    max_nodes: int = Field(ge=1)
    ssh_user: str = "root"
    ssh_port: int = Field(default=22, ge=1, le=65535)
    deadlines: NodeDeadlines = NodeDeadlines()
    #: launches of a node, each on another provider where there is one, before the label is in alarm
    launch_attempts: int = Field(default=3, ge=1)
    #: a ready node older than this is replaced
    max_age: Duration = timedelta(hours=12)
    #: true size of the machines where the flavor's is not true (the lab's are emulated); shown on every page
    true_size: str | None = None


class JobDeadlines(Model):
    """How long each phase of a build may take."""

    tree: Duration = timedelta(minutes=10)
    nova: Duration = timedelta(minutes=15)
    tempest: Duration = timedelta(hours=2)
    collect: Duration = timedelta(minutes=15)


class Carry(Model):
    """A series of patches put on top of the tree before it is tested."""

    project: str
    branch: Pattern
    #: folder of the series (`git am` order by name), relative to the configuration file
    series: Path
    #: files of the series, by name's beginning; default: all
    patches: tuple[str, ...] = ()


class NodeContract(Model):
    """What xenci expects on a node; the defaults are what the node image has."""

    #: git tree of the project under test, which Nova runs from
    tree: str = "/opt/stack/nova"
    #: git trees of other projects that run from one on this node, by project: openstack/tempest: /opt/stack/tempest. A
    #: change that needs one of a project that is not here is not run
    trees: dict[str, str] = {}
    #: starts Nova from a commit of the tree; `{commit}` and `{limit}` (seconds) are filled in. Exit code 0: it runs and
    #: the proof is written; 1: Nova itself ended; 3: it runs, but from another tree, and the proof says so; 4: it was
    #: not ready in time; all others are the node's or our own fault
    start_nova: str = "/usr/local/sbin/nova-renew {commit} {limit}"
    #: JSON that the start leaves: commit, nova_file, checked_out_at, began_at, pid, from_elsewhere, changed_files
    proof: str = "/run/nova.proof"
    #: JSON that each start leaves anew before it touches Nova: commit, changed_files, checked_out_at. Where Nova ends,
    #: it is all that tells which tree it was started from
    attempt: str = "/run/nova.attempt"
    #: prints the UUIDs of all servers that this Nova knows, past ones too
    servers: str = "mysql -Nse 'select uuid from nova_cell1.instances'"
    #: runs tests and writes a subunit stream to standard output; `{tests}` is filled in
    tempest: str = "/opt/cloud/venv/bin/python -m subunit.run {tests}"
    tempest_dir: str = "/opt/tempest"
    #: environment file of Tempest and Nova
    env_file: str = "/opt/cloud/env"
    #: environment of the Tempest unit
    tempest_env: dict[str, str] = {"TEMPEST_CONFIG_DIR": "/opt/tempest/etc", "OS_TEST_TIMEOUT": "600"}
    #: logs that grow while a build runs and are shown by their sources
    logs: dict[str, str] = {
        "nova": "/opt/cloud/log/nova.log",
        "libvirtd": "/var/log/libvirt/libvirtd.log",
        "libxl": "/var/log/libvirt/libxl/libxl-driver.log",
        "tempest": "/opt/tempest/logs/tempest.log",
    }


class Job(Model):
    """What to test on one node."""

    name: Name
    #: nothing is run and no node is taken: for trying a pipeline or an account. It votes in sandbox projects only
    noop: bool = False
    #: the kind of node; left out of a noop job, and of no other
    label: str = ""
    carry: tuple[Carry, ...] = ()
    #: tests, classes or modules by their dotted names, in order; a noop job has none
    tests: tuple[str, ...] = ()
    #: those of them that boot a guest: what the tip runs to prove the hypervisor when the change lets nothing start
    boot_tests: tuple[str, ...] = ()
    #: branches for which there is a driver and a carry
    branches: tuple[Pattern, ...] = (".*",)
    deadlines: JobDeadlines = JobDeadlines()
    #: attempts at a build before it is RETRY_LIMIT
    attempts: int = Field(default=3, ge=1)
    node: NodeContract = NodeContract()

    @model_validator(mode="after")
    def _has_what_it_runs(self) -> "Job":
        if self.noop and (self.label or self.tests or self.carry):
            raise ValueError("a noop job has no label, no tests and no carry: nothing is run")
        if not self.noop and not (self.label and self.tests):
            raise ValueError("label and tests are missing (or write noop: true)")
        return self


class Trigger(Model):
    """Which patch sets a pipeline wants."""

    projects: tuple[Pattern, ...]
    branches: tuple[Pattern, ...] = (".*",)
    #: a patch set is irrelevant if every one of its files matches one of these
    irrelevant_files: tuple[Pattern, ...] = ()
    #: whether changes marked work in progress are run
    wip: bool = False
    #: Gerrit's kinds of new patch set that take over the verdict on the one before, with a link, instead of a run
    copy_verdict: tuple[Literal["NO_CODE_CHANGE", "NO_CHANGE", "TRIVIAL_REBASE"], ...] = ()


class Pipeline(Model):
    """How changes are chosen and reported."""

    name: Annotated[str, Field(pattern=r"^\w+$")]
    mode: Mode
    trigger: Trigger
    jobs: tuple[Name, ...] = Field(min_length=1)
    #: a lower number is served first
    priority: int = 100


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
    web: Web
    alarms: Alarms = Alarms()
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
