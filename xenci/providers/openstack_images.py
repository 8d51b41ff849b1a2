"""Snapshots on an OpenStack cloud: asked of Nova, found again in Glance by the properties that were asked for.

Glance copies the properties of a server's own image to each snapshot of it, whoever makes it. So a snapshot of ours
has its own name among its properties: what a person makes of a node by hand has another name, and is not ours.
"""

from typing import Any

from xenci.model.leftover import Image
from xenci.providers.openstack_shapes import image_of
from xenci.providers.port import IMAGE_KEY, SYSTEM_KEY


def snapshot(cloud: Any, provider: str, system: str, server_id: str, *, name: str, properties: dict[str, str]) -> Image:
    """Return the snapshot of this name and these properties, asked for unless it is there."""
    wanted = {**properties, SYSTEM_KEY: system, IMAGE_KEY: name}
    for image in images_of(cloud, provider, system):
        if image.name == name and wanted.items() <= image.properties.items():
            return image
    return image_of(provider, cloud.compute.create_server_image(server_id, name, metadata=wanted))


def images_of(cloud: Any, provider: str, system: str) -> list[Image]:
    """Return the project's images that are snapshots of ours."""
    found = [image_of(provider, raw) for raw in cloud.image.images(owner=cloud.current_project_id)]
    return [
        image
        for image in found
        if image.properties.get(SYSTEM_KEY) == system and image.properties.get(IMAGE_KEY) == image.name
    ]
