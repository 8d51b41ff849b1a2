"""The configuration of nodes: providers that they come from, and labels that jobs ask for."""

from datetime import timedelta
from typing import Any, Literal

from pydantic import Field, model_validator

from xenci.config.models.base import Duration, Model, Name
from xenci.config.models.libvirt import Libvirt
from xenci.model.node import Size


class ProviderLabel(Model):
    """What a label is on this provider. The flavor is named, or is the smallest with this much RAM and so many vCPU."""

    name: Name
    #: the image of its nodes, unless one that xenci made is promoted
    image: str
    #: what `xenci image build` starts from; default: `image`
    base_image: str | None = None
    flavor: str | None = None
    min_ram_gb: float | None = Field(default=None, gt=0)
    min_vcpus: int | None = Field(default=None, ge=1)
    #: what an hour of such a server costs, from its creation to its deletion; without it nothing is said of cost
    price_per_hour: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _is_one_flavor(self) -> "ProviderLabel":
        sizes = (self.min_ram_gb, self.min_vcpus)
        if (self.flavor is not None and sizes != (None, None)) or (self.flavor is None and None in sizes):
            raise ValueError(f"label {self.name}: give either flavor, or min_ram_gb and min_vcpus")
        return self

    @property
    def size(self) -> str | Size:
        """The flavor's name, or what the flavor must have at least."""
        return self.flavor or Size(ram_gb=self.min_ram_gb or 0, vcpus=self.min_vcpus or 0)


class Provider(Model):
    """One region of one cloud."""

    name: Name
    driver: Literal["openstack", "libvirt"] = "openstack"
    #: name of the cloud in openstacksdk's clouds.yaml; of the driver openstack
    cloud: str = ""
    #: the machine; of the driver libvirt
    libvirt: Libvirt | None = None
    #: region, if the cloud has more than one
    region: str | None = None
    #: what this provider shares with others when it fails: Group A asks for two different ones
    failure_domain: str
    #: network of the servers, by which they are reached
    network: str
    #: networks that they are on besides
    more_networks: tuple[str, ...] = ()
    #: external network that gives each server a floating IP, where its own address cannot be reached
    floating_network: str | None = None
    security_groups: tuple[str, ...] = ()
    #: zones over which servers are spread; none: the cloud chooses
    availability_zones: tuple[str, ...] = ()
    #: most servers of ours at once
    max_servers: int = Field(ge=0)
    #: how many nodes it gets beside the other providers' weights
    weight: float = Field(default=1.0, gt=0)
    #: part of the last 20 launches of each of its labels that it gets at least, while it works: Group A asks for both
    least_share: float = Field(default=0.0, ge=0, le=1)
    labels: tuple[ProviderLabel, ...]
    #: longest time that one call to the cloud's API may take
    api_timeout: Duration = timedelta(seconds=60)

    @model_validator(mode="before")
    @classmethod
    def _knows_the_key_of_one_zone(cls, raw: Any) -> Any:
        """Take `availability_zone: NAME`, the key for one zone, as a list of one."""
        if not isinstance(raw, dict) or "availability_zone" not in raw:
            return raw
        if "availability_zones" in raw:
            raise ValueError("availability_zone and availability_zones mean the same: keep availability_zones")
        rest = {key: value for key, value in raw.items() if key != "availability_zone"}
        zone = raw["availability_zone"]
        return rest if zone is None else rest | {"availability_zones": [zone]}

    @model_validator(mode="after")
    def _has_what_its_driver_needs(self) -> "Provider":
        if self.driver == "openstack" and not self.cloud:
            raise ValueError("cloud is missing: the name of the cloud in clouds.yaml")
        if (self.driver == "libvirt") != (self.libvirt is not None):
            raise ValueError("driver: libvirt and the key libvirt (uri, pool, sizes) go together")
        clouds = ("region", "more_networks", "floating_network", "security_groups", "availability_zones")
        useless = [key for key in clouds if self.driver == "libvirt" and getattr(self, key)]
        if useless:
            raise ValueError(f"{', '.join(useless)}: a provider of the driver libvirt has no such thing; take it out")
        return self

    @property
    def place(self) -> tuple[str, ...]:
        """What is one cloud whatever it is named: two providers there would take each other's servers for leaks."""
        if self.libvirt is not None:
            return (self.driver, self.libvirt.uri)
        return (self.driver, self.cloud, self.region or "")


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
