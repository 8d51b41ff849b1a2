"""An operator in headless Chromium: shows a token, drains a cloud, holds and releases a node, logs out."""

from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait
from sqlalchemy import delete, select

from tests.browser.conftest import World
from tests.browser.test_chromium import PATIENCE, chromium, complaints, go
from xenci.clock import now
from xenci.model.pool import Wish
from xenci.services.tokens import add_token
from xenci.store.tables import ActionRow, HoldRow, NodeRow, OverrideRow, TokenRow

__all__ = ["chromium"]
pytestmark = pytest.mark.browser


@pytest.fixture
def node(world: World) -> Iterator[NodeRow]:
    """A ready node of this test's own; what the test did is taken away at its end."""
    with world.database.session() as session:
        row = NodeRow(
            name="sample-node-009999", label="xen", provider="cb", state="ready", address="10.0.0.9",
            server_id="nine", created_at=now(), state_at=now(), ready_at=now(),
        )  # fmt: skip
        session.add(row)
    yield row
    with world.database.session() as session:
        for table in (HoldRow, OverrideRow, TokenRow):
            session.execute(delete(table))
        session.execute(delete(ActionRow).where(ActionRow.who.in_(["test", "ann"])))
        session.execute(delete(NodeRow).where(NodeRow.id == row.id))


def opened(driver: webdriver.Chrome, form: str) -> WebElement:
    """Open the details that a form is in, and return the form."""
    found = driver.find_element(By.CSS_SELECTOR, f"form[action='{form}']")
    driver.execute_script("arguments[0].closest('details').open = true", found)
    return found


def send(driver: webdriver.Chrome, form: WebElement) -> None:
    """Press a form's button and wait for the page after it."""
    form.find_element(By.TAG_NAME, "button").click()
    WebDriverWait(driver, PATIENCE).until(lambda _: is_gone(form))


def is_gone(element: WebElement) -> bool:
    from selenium.common.exceptions import StaleElementReferenceException

    try:
        element.is_enabled()
    except StaleElementReferenceException:
        return True
    return False


def text_of(driver: webdriver.Chrome) -> str:
    return driver.find_element(By.TAG_NAME, "main").text


@pytest.mark.parametrize("size", ["wide", "narrow"])
def test_an_operator_drains_a_cloud_and_releases_a_node(
    world: World, address: str, chromium: webdriver.Chrome, node: NodeRow, size: str
) -> None:
    with world.database.session() as session:
        token = add_token(session, "ann", Wish(who="test", at=now()))
    go(chromium, f"{address}/nodes", size)
    assert chromium.find_elements(By.CSS_SELECTOR, "form[action^='/pool']") == []
    chromium.find_element(By.LINK_TEXT, "show their token").click()
    form = chromium.find_element(By.CSS_SELECTOR, "form[action='/login']")
    form.find_element(By.NAME, "token").send_keys(token)
    send(chromium, form)
    assert "You act as ann" in text_of(chromium)
    assert chromium.execute_script("return document.cookie") == ""

    form = opened(chromium, "/pool/drain")
    form.find_element(By.NAME, "reason").send_keys("its network")
    send(chromium, form)
    assert "It is drained" in text_of(chromium)
    assert "its network" in text_of(chromium)
    wide = chromium.execute_script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0

    go(chromium, f"{address}/node/{node.name}", size)
    form = opened(chromium, f"/node/{node.name}/hold")
    form.find_element(By.NAME, "reason").send_keys("looks why")
    send(chromium, form)
    assert "Held for ann until" in text_of(chromium)
    assert "ssh root@10.0.0.9" in text_of(chromium)
    send(chromium, opened(chromium, f"/node/{node.name}/release"))
    assert "Held for ann" not in text_of(chromium)
    assert "is deleting" in chromium.find_element(By.TAG_NAME, "h1").text

    go(chromium, f"{address}/nodes", size)
    send(chromium, chromium.find_element(By.CSS_SELECTOR, "form[action='/logout']"))
    assert "You act as" not in text_of(chromium)
    assert complaints(chromium) == []
    with world.database.session() as session:
        done = session.scalars(select(ActionRow.what).where(ActionRow.who == "ann").order_by(ActionRow.id)).all()
    assert done == [
        "pool drain ca",
        f"node hold {node.name} for ann, 1 day, 0:00:00",
        f"node release {node.name}",
    ]
