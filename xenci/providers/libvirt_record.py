"""The record of an image: a domain that is defined and never started, and has our element in its metadata.

libvirt keeps nothing about a volume but its size. What it keeps of a domain is written at once or not at all, on every
driver and on a far machine too; so an image that nothing says to be whole is none.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.etree import ElementTree as ET

from xenci.model.leftover import Image

#: name space of our elements
SPACE = "https://xenproject.org/xenci/image/1"
_IMAGE, _ITEM = f"{{{SPACE}}}image", f"{{{SPACE}}}item"

ET.register_namespace("xenci-image", SPACE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a record says."""

    #: the image's name; the domain's own has a digest besides
    name: str
    #: saving, active or killed
    status: str
    #: UUID of the domain whose disk is copied
    source: str
    properties: dict[str, str]
    created_at: datetime


def domain(record: Record, *, name: str, machine: str) -> str:
    """Return the domain that keeps a record. It has no disk: nobody can harm the image by starting it."""
    root = ET.Element("domain", type=machine)
    ET.SubElement(root, "name").text = name
    ET.SubElement(root, "description").text = f"xenci: the record of the image {record.name}; it is never started"
    ET.SubElement(root, "metadata").append(_element(record))
    ET.SubElement(root, "memory", unit="MiB").text = "16"
    ET.SubElement(root, "vcpu").text = "1"
    ET.SubElement(ET.SubElement(root, "os"), "type", arch="x86_64").text = "hvm"
    return ET.tostring(root, encoding="unicode")


def record_of(described: str) -> Record | None:
    """Return what a domain's XML records, or None if it is no record."""
    found = ET.fromstring(described).find(f"metadata/{_IMAGE}")
    if found is None:
        return None
    return Record(
        name=found.get("name", ""),
        status=found.get("status", ""),
        source=found.get("source", ""),
        properties={item.get("key", ""): item.get("value", "") for item in found.findall(_ITEM)},
        created_at=datetime.fromisoformat(found.get("created", "")),
    )


def write(kept: Any, record: Record) -> None:
    """Write a record anew into the domain that keeps it."""
    import libvirt

    kind, where = libvirt.VIR_DOMAIN_METADATA_ELEMENT, libvirt.VIR_DOMAIN_AFFECT_CONFIG
    # libvirt adds the name space of this prefix itself
    kept.setMetadata(kind, ET.tostring(_element(record), encoding="unicode"), "xenci-record", SPACE, where)


def image_of(kept: Any, record: Record, provider: str) -> Image:
    """Return the image that a record is about."""
    return Image(
        provider=provider,
        id=kept.UUIDString(),
        name=record.name,
        status=record.status,
        properties=record.properties,
        created_at=record.created_at,
    )


def _element(record: Record) -> ET.Element:
    found = ET.Element(
        _IMAGE,
        name=record.name,
        status=record.status,
        source=record.source,
        created=record.created_at.isoformat(),
    )
    for key, value in sorted(record.properties.items()):
        ET.SubElement(found, _ITEM, key=key, value=value)
    return found
