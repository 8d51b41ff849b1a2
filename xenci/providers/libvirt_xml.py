"""The XML that libvirt is told, and what is read from it; ownership is an element of our own in `<metadata>`.

The public key goes in by QEMU's fw_cfg as a credential of systemd, which writes it to root's authorized_keys (systemd
252, Debian 12, and later): no seed image has to be made, and a guest without systemd finds the file below
/sys/firmware/qemu_fw_cfg.
"""

from dataclasses import dataclass
from datetime import datetime
from xml.etree import ElementTree as ET

from xenci.config.models import Libvirt
from xenci.config.models import Size as LibvirtSize

#: name space of our elements
SPACE = "https://xenproject.org/xenci/node/1"
#: name space of the element that says why a node could not be started
FAULT_SPACE = "https://xenproject.org/xenci/fault/1"
_NODE, _ITEM = f"{{{SPACE}}}node", f"{{{SPACE}}}item"
#: where systemd looks for root's public keys, as a file of fw_cfg
KEY_FILE = "opt/io.systemd.credentials/ssh.authorized_keys.root"
#: where a guest without systemd finds the node's name
NAME_FILE = "opt/xenci/name"
#: how a domain calls its disk
DISK = "vda"

ET.register_namespace("xenci", SPACE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """What our element says of a domain."""

    #: the node's name; a domain's own name has a digest besides, as several nodes may have one name
    name: str
    metadata: dict[str, str]
    created_at: datetime
    fault: str


def domain(
    *, own: Owned, name: str, size: LibvirtSize, machine: Libvirt, network: str, disk: str, console: str, key: str
) -> str:
    """Return a domain: one disk of the pool, one interface, its serial console in a file."""
    root = ET.Element("domain", type=machine.machine)
    _text(root, "name", name)
    ET.SubElement(root, "metadata").append(_node(own))
    _text(root, "memory", str(size.ram_mb), unit="MiB")
    _text(root, "vcpu", str(size.vcpus))
    _text(ET.SubElement(root, "os"), "type", "hvm", arch="x86_64")
    files = ET.SubElement(root, "sysinfo", type="fwcfg")
    _text(files, "entry", key, name=KEY_FILE)
    _text(files, "entry", own.name, name=NAME_FILE)
    features = ET.SubElement(root, "features")
    ET.SubElement(features, "acpi")
    ET.SubElement(features, "apic")
    if machine.machine == "kvm":
        # what the node tests is a hypervisor itself
        ET.SubElement(root, "cpu", mode="host-passthrough")
    _text(root, "on_poweroff", "destroy")
    _text(root, "on_crash", "destroy")
    devices = ET.SubElement(root, "devices")
    drive = ET.SubElement(devices, "disk", type="volume", device="disk")
    ET.SubElement(drive, "driver", name="qemu", type="qcow2")
    ET.SubElement(drive, "source", pool=machine.pool, volume=disk)
    ET.SubElement(drive, "target", dev=DISK, bus="virtio")
    link = ET.SubElement(devices, "interface", type="network")
    ET.SubElement(link, "source", network=network)
    ET.SubElement(link, "model", type="virtio")
    ET.SubElement(ET.SubElement(devices, "serial", type="file"), "source", path=console)
    return ET.tostring(root, encoding="unicode")


def node(own: Owned) -> str:
    """Return our element of a domain."""
    return ET.tostring(_node(own), encoding="unicode")


def _node(own: Owned) -> ET.Element:
    found = ET.Element(_NODE, {"name": own.name, "created": own.created_at.isoformat()})
    for item, value in sorted(own.metadata.items()):
        ET.SubElement(found, _ITEM, key=item, value=value)
    return found


def volume(*, name: str, octets: int) -> str:
    """Return a disk that needs no other."""
    return ET.tostring(_volume(name, octets), encoding="unicode")


def overlay(*, name: str, image: str, image_format: str, octets: int) -> str:
    """Return a volume that begins as an image and keeps what is changed."""
    root = _volume(name, octets)
    backing = ET.SubElement(root, "backingStore")
    _text(backing, "path", image)
    ET.SubElement(backing, "format", type=image_format)
    return ET.tostring(root, encoding="unicode")


def fault(words: str) -> str:
    """Return the element that says why a node could not be started."""
    root = ET.Element("fault")
    root.text = "".join(letter for letter in words if letter.isprintable())[:1000]
    return ET.tostring(root, encoding="unicode")


def owned(described: str) -> Owned | None:
    """Return what our element says in a domain's XML, or None if the domain is not ours."""
    root = ET.fromstring(described)
    node = root.find(f"metadata/{_NODE}")
    if node is None:
        return None
    return Owned(
        name=node.get("name", ""),
        metadata={item.get("key", ""): item.get("value", "") for item in node.findall(_ITEM)},
        created_at=datetime.fromisoformat(node.get("created", "")),
        fault=root.findtext(f"metadata/{{{FAULT_SPACE}}}fault") or "",
    )


def memory_mb(described: str) -> int:
    """Return the memory of a domain's XML, which libvirt always tells in KiB."""
    return int(ET.fromstring(described).findtext("memory") or 0) // 1024


def vcpus(described: str) -> int:
    """Return the virtual CPUs of a domain's XML."""
    return int(ET.fromstring(described).findtext("vcpu") or 0)


def folder_of(pool: str) -> str:
    """Return the folder of a pool's XML, empty if it is none."""
    return ET.fromstring(pool).findtext("target/path") or ""


def files_of(described: str) -> set[str]:
    """Return the names of the files that are disks in a domain's XML."""
    sources = ET.fromstring(described).findall("devices/disk/source")
    paths = {source.get("volume") or source.get("file") or "" for source in sources}
    return {path.rpartition("/")[2] for path in paths if path}


def backing_of(described: str) -> str:
    """Return the path of what a volume begins as, empty if it is nothing."""
    return ET.fromstring(described).findtext("backingStore/path") or ""


def format_of(described: str) -> str:
    """Return the format of a volume's XML."""
    found = ET.fromstring(described).find("target/format")
    return "raw" if found is None else found.get("type", "raw")


def _volume(name: str, octets: int) -> ET.Element:
    root = ET.Element("volume", type="file")
    _text(root, "name", name)
    _text(root, "capacity", str(octets), unit="bytes")
    _text(root, "allocation", "0")
    ET.SubElement(ET.SubElement(root, "target"), "format", type="qcow2")
    return root


def _text(parent: ET.Element, tag: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, tag, attributes).text = text
