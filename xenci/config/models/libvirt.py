"""The configuration of a provider that is a machine of one's own with libvirt."""

from typing import Annotated, Literal

from pydantic import Field

from xenci.config.models.base import Model


class Size(Model):
    """How big a node is: what a cloud calls a flavor."""

    name: Annotated[str, Field(min_length=1)]
    ram_mb: int = Field(gt=0)
    vcpus: int = Field(gt=0)
    #: of its disk, if that is to be more than its image's
    disk_gb: int | None = Field(default=None, gt=0)


class Libvirt(Model):
    """A machine of one's own, or a laptop."""

    #: libvirt's address of it: qemu:///system, qemu+ssh://root@HOST/system
    uri: str
    #: storage pool, a folder, that has the images by name and gets the nodes' disks and consoles
    pool: str = "default"
    #: sizes by the names that `labels[].flavor` uses
    sizes: tuple[Size, ...] = Field(min_length=1)
    #: `kvm` needs nested virtualization for Xen with speed; `qemu` is emulation: it runs everywhere and is slow;
    #: `test` is libvirt's own test driver, which keeps domains and runs none
    machine: Literal["kvm", "qemu", "test"] = "kvm"
