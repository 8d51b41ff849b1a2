"""The configuration of jobs: what is tested on a node, with what on top, and what the node has."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field, model_validator

from xenci.config.models.base import Duration, Model, Name, Pattern


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
    trees: dict[str, str] = Field(default={})
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
    tempest_env: dict[str, str] = Field(default={"TEMPEST_CONFIG_DIR": "/opt/tempest/etc", "OS_TEST_TIMEOUT": "600"})
    #: logs that grow while a build runs and are shown by their sources
    logs: dict[str, str] = Field(
        default={
            "nova": "/opt/cloud/log/nova.log",
            "libvirtd": "/var/log/libvirt/libvirtd.log",
            "libxl": "/var/log/libvirt/libxl/libxl-driver.log",
            "tempest": "/opt/tempest/logs/tempest.log",
        }
    )


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
