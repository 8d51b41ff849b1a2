"""Node images on the command line, the page, its twin and in the figures."""

import json
from pathlib import Path

import pytest
import yaml
from fastapi.testclient import TestClient
from sqlalchemy import select

from tests.flows.test_cli import Call, call
from tests.flows.test_metrics_nodes import read, value
from tests.flows.world import World
from xenci.dashboard.app import create_app
from xenci.errors import NotFound
from xenci.model.image import ImageState
from xenci.services.image_prepare import playbook_of, variables_of
from xenci.services.image_use import CannotUse
from xenci.store.tables import ActionRow, ImageRow

__all__ = ["call"]


def end_as(world: World, number: int, state: ImageState) -> None:
    with world.database.session() as session:
        row = session.get_one(ImageRow, number)
        row.state, row.recipe = state, "0123456789ab"


def test_images_are_built_listed_shown_promoted_and_rolled_back(world: World, call: Call) -> None:
    told = call("image", "build", "xen", "--promote", "-r", "new kernel")
    assert "test-xen-image-0001 is being made on ca from xen\n" in told.stdout
    assert world.nudges("image") == [1]
    assert isinstance(call("image", "build", "xen").exception, CannotUse)
    assert isinstance(call("image", "promote", "1").exception, CannotUse)
    end_as(world, 1, ImageState.READY)
    assert call("image", "promote", "test-xen-image-0001").exit_code == 0
    (listed,) = json.loads(call("image", "list", "--label", "xen", "--json").stdout)
    assert (listed["state"], listed["recipe"], listed["provider"]) == ("promoted", "0123456789ab", "ca")
    assert "promoted by" in call("image", "show", "1").stdout
    assert "are launched from xen, which the configuration names" in call("image", "rollback", "xen").stdout
    assert json.loads(call("image", "show", "1", "--json").stdout)["state"] == "retired"
    assert isinstance(call("image", "show", "nothing").exception, NotFound)
    assert isinstance(call("image", "rollback", "nix").exception, NotFound)
    with world.database.session() as session:
        said = [(row.what, row.reason) for row in session.scalars(select(ActionRow).order_by(ActionRow.id))]
    assert said == [
        ("image build xen --promote", "new kernel"),
        ("image promote test-xen-image-0001", ""),
        (
            "image rollback xen on ca: from test-xen-image-0001 to xen, which the configuration names",
            "",
        ),
    ]


def test_an_image_that_is_being_made_is_ended_and_no_other(world: World, call: Call) -> None:
    call("image", "build", "xen")
    assert "test-xen-image-0001 is ended" in call("image", "cancel", "1", "-r", "wrong kernel").stdout
    shown = json.loads(call("image", "show", "1", "--json").stdout)
    assert shown["state"] == "failed"
    assert shown["reason"].startswith("ended by ")
    assert shown["reason"].endswith(": wrong kernel")
    assert isinstance(call("image", "cancel", "1").exception, CannotUse)
    assert isinstance(call("image", "cancel", "nothing").exception, NotFound)
    with world.database.session() as session:
        said = [(row.what, row.reason) for row in session.scalars(select(ActionRow).order_by(ActionRow.id))]
    assert said[1:] == [("image cancel test-xen-image-0001", "wrong kernel")]


def test_the_page_its_twin_and_the_figures_tell_the_images(world: World, call: Call) -> None:
    client = TestClient(create_app(world.ctx.settings, world.database, lambda: world.now))
    assert "Node images" not in client.get("/nodes").text
    call("image", "build", "xen")
    page = client.get("/nodes").text
    assert "Node images" in page
    assert "test-xen-image-0001" in page
    (twin,) = client.get("/api/nodes").json()["images"]
    assert (twin["name"], twin["state"], twin["base"]) == ("test-xen-image-0001", "building", "xen")
    assert value(read(world), "images", provider="ca", label="xen", state="building") == 1


@pytest.fixture
def play(world: World) -> dict[str, object]:
    """The one play of the playbook that ships."""
    (one,) = yaml.safe_load(playbook_of(world.ctx.settings))
    return one  # type: ignore[no-any-return]


def test_the_playbook_reaches_the_network_only_where_the_node_has_one(play: dict[str, object]) -> None:
    fetching = ("apt", "git", "pip", "get_url", "uri")
    tasks = play["tasks"]
    assert isinstance(tasks, list)
    for task in tasks:
        if "block" in task:
            assert task["when"] == "node_has_network | bool"
        else:
            assert not [name for name in fetching if f"ansible.builtin.{name}" in task], task["name"]
    assert play["vars"]["node_has_network"] is False  # type: ignore[index]
    assert play["hosts"] == "localhost"


def test_the_playbook_knows_every_variable_that_it_is_given(world: World, play: dict[str, object]) -> None:
    given = json.loads(variables_of(world.ctx.settings, world.ctx.settings.label("xen")))
    known = play["vars"]
    assert isinstance(known, dict)
    assert set(given) == {name for name in known if name.startswith("xenci_")}
    text = playbook_of(world.ctx.settings).decode()
    for name in known:
        assert text.count(name) > 1, f"{name} is used"
    assert given["xenci_reboot_file"] == known["xenci_reboot_file"]


def test_a_playbook_of_ones_own_is_named_by_the_configuration(world: World, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yml"
    mine.write_text("- hosts: localhost\n")
    images = world.ctx.settings.images.model_copy(update={"playbook": mine, "variables": {"node_has_network": True}})
    settings = world.ctx.settings.model_copy(update={"images": images})
    assert playbook_of(settings) == b"- hosts: localhost\n"
    assert json.loads(variables_of(settings, settings.label("xen")))["node_has_network"] is True
