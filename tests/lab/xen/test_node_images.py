"""A node image on a cloud of the lab: made of a real Xen node by the playbook, snapshotted, tried, used, taken back.

One cloud is enough here, as each Xen host costs minutes of both cores: that each of them makes and forgets snapshots is
part of a provider's contract, and that each gets an image of its own one of flows.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests.lab.pooling import connection, forget_key, give_up_all, left, want
from tests.lab.test_pool_lab import clear, make_context, rows, turn_until
from xenci.clock import now
from xenci.config.load import load
from xenci.lab import clouds, settings
from xenci.lab.paths import LabPaths
from xenci.model.image import WORKING_STATES, ImageState
from xenci.model.node import NodeState
from xenci.model.pool import Wish
from xenci.rules.leaks import keypair_name
from xenci.services.context import Context
from xenci.services.image_use import build_by_hand, rollback_by_hand
from xenci.services.images import advance_image
from xenci.store.database import Database
from xenci.store.images import is_moving
from xenci.store.tables import ImageRow, NodeRow

pytestmark = pytest.mark.timeout(2 * 3000)

SYSTEM = "imagetest"
LABEL = "xen-bookworm"
#: what the playbook writes
DROP_IN = "/etc/systemd/system/libvirtd.service.d/xenci.conf"
CLOUD = "cb"
#: longest wait for an emulated machine that boots, runs a playbook and boots again; seconds
PATIENCE = 3000


@pytest.fixture
def ctx(lab: LabPaths, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    """A context with the lab's own configuration on one cloud, but no node is wanted; nothing is left of it."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(lab.clouds_yaml))
    own = load(settings.write_config(lab))
    providers = tuple(provider for provider in own.providers if provider.name == CLOUD)
    update: dict[str, Any] = {"system": SYSTEM, "state_dir": tmp_path, "providers": providers}
    one = make_context(own.model_copy(update=update), database)
    clear(one)
    before = left(lab)
    want(one, min_ready=0)
    yield one
    give_up_all(one)
    one.hosts.close()
    images = connection(lab.clouds_yaml, f"{CLOUD}-demo").image
    for image in snapshots(lab):
        images.delete_image(image)
    assert not clouds.running_machines(lab)
    forget_key(lab, keypair_name(SYSTEM, one.public_key))
    assert not [thing for cloud, things in left(lab).items() for thing in things if thing not in before[cloud]]


def images(ctx: Context) -> list[ImageRow]:
    with ctx.database.session() as session:
        return list(session.scalars(select(ImageRow).order_by(ImageRow.id)))


def is_made(ctx: Context) -> bool:
    """Let every image go on; tell whether none is being made any more."""
    with ctx.database.session() as session:
        moving = session.scalars(select(ImageRow.id).where(is_moving(ctx.providers)).order_by(ImageRow.id)).all()
    for number in moving:
        advance_image(ctx, number)
    return all(row.state not in WORKING_STATES for row in images(ctx))


def trial(ctx: Context) -> NodeRow | None:
    """Return the proved node that an image is tried with, if there is one now."""
    with ctx.database.session() as session:
        tried = select(NodeRow).join(ImageRow, ImageRow.node_id == NodeRow.id)
        return session.scalars(
            tried.where(ImageRow.state == ImageState.TRYING, NodeRow.state == NodeState.IN_USE)
        ).first()


def launched(ctx: Context) -> NodeRow:
    """Have the pool launch a node; return it as soon as the cloud has its server."""
    want(ctx, min_ready=1)
    turn_until(ctx, lambda: any(row.server_id for row in rows(ctx, NodeState.BUILDING, NodeState.TESTING)))
    (node,) = rows(ctx, NodeState.BUILDING, NodeState.TESTING)
    return node


def test_an_image_is_made_of_a_xen_node_tried_used_and_taken_back(ctx: Context, lab: LabPaths) -> None:
    wish = Wish(who="ann", reason="a newer Nova", at=now())
    with ctx.database.session() as session:
        build_by_hand(session, ctx.settings, LABEL, wish, promote=True)
    turn_until(ctx, lambda: trial(ctx) is not None or is_made(ctx), seconds=PATIENCE)
    node = trial(ctx)
    assert node is not None, images(ctx)[0].reason
    assert image_of(ctx, lab, node) == images(ctx)[0].cloud_id
    assert node.facts["libvirt_type"] == "Xen"
    label = ctx.settings.label(LABEL)
    with ctx.hosts.host(node.address, user=label.ssh_user, host_key=node.host_key, port=label.ssh_port) as host:
        # what the playbook wrote is on another machine than the one it ran on
        assert host.run(f"cat {DROP_IN}", timeout=timedelta(minutes=5)).words == "[Unit]\nAfter=xen.service"
    turn_until(ctx, lambda: is_made(ctx), seconds=PATIENCE)
    (made,) = images(ctx)
    assert (made.provider, made.state) == (CLOUD, ImageState.PROMOTED), made.reason
    (snapshot,) = connection(lab.clouds_yaml, f"{CLOUD}-demo").image.images(name=made.name)
    assert snapshot.status == "active"
    assert snapshot.size > 1 << 20, "there is more in it than a name"
    turn_until(ctx, lambda: all(row.state == NodeState.DELETED for row in rows(ctx)))

    assert image_of(ctx, lab, launched(ctx)) == made.cloud_id
    give_up_all(ctx)

    with ctx.database.session() as session:
        said = rollback_by_hand(session, ctx.settings, LABEL, wish)
    assert all("xen-dom0-bookworm, which the configuration names" in words for words in said)
    assert {row.state for row in images(ctx)} == {ImageState.RETIRED}
    node = launched(ctx)
    configured = connection(lab.clouds_yaml, f"{node.provider}-demo").image.find_image("xen-dom0-bookworm")
    assert image_of(ctx, lab, node) == configured.id
    # the cloud has this snapshot of ours and no other
    assert snapshots(lab) == {made.cloud_id}


def image_of(ctx: Context, lab: LabPaths, node: NodeRow) -> str:
    """Return what the cloud says that a node's server was made from."""
    return str(connection(lab.clouds_yaml, f"{node.provider}-demo").compute.get_server(node.server_id).image.id)


def snapshots(lab: LabPaths) -> set[str]:
    """Return the images of this test that the cloud has."""
    found = connection(lab.clouds_yaml, f"{CLOUD}-demo").image.images()
    return {image.id for image in found if image.name.startswith(f"{SYSTEM}-")}
