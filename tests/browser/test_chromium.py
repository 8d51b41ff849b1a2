"""The pages as a person sees them: in headless Chromium, on a phone and on a desk."""

from collections.abc import Iterator
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.browser.conftest import World
from tests.browser.sample_builds import CAUSE
from xenci.clock import now
from xenci.model.build import BuildState
from xenci.store.tables import BuildRow, TestRow

pytestmark = pytest.mark.browser
#: a phone and a desk, in CSS pixels
SIZES = {"narrow": (390, 844), "wide": (1280, 900)}
#: for a page to change by itself, on a busy machine
PATIENCE = 300


@pytest.fixture(scope="module")
def chromium() -> Iterator[webdriver.Chrome]:
    """Debian's Chromium, headless. It fails where there is none: a browser test that skips itself cannot fail."""
    options = Options()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    driver.set_page_load_timeout(PATIENCE)
    yield driver
    driver.quit()


def go(driver: webdriver.Chrome, url: str, size: str) -> None:
    """Open a page in a size, with what was logged before forgotten."""
    width, height = SIZES[size]
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "narrow"},
    )
    driver.get_log("browser")  # type: ignore[no-untyped-call]
    driver.get(url)


def complaints(driver: webdriver.Chrome) -> list[str]:
    """Return what the console says: errors, refused styles and scripts, files that are missing."""
    entries: list[dict[str, str]] = driver.get_log("browser")  # type: ignore[no-untyped-call]
    return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]


def paths(world: World) -> dict[str, str]:
    """Return a page of each kind."""
    bad = world.sample.builds["bad"]
    return {
        "readiness": "/",
        "criterion": "/criterion/B1/0",
        "builds": "/builds",
        "nothing": "/builds?q=nobody",
        "good": world.build("good"),
        "bad": world.build("bad"),
        "running": world.build("running"),
        "waiting": world.build("waiting"),
        "timed out": world.build("timed-out"),
        "hostile": world.build("hostile"),
        "tests": f"{world.build('bad')}/tests",
        "buildset": f"/buildset/{world.sample.buildsets['bad']}",
        "conflict": f"/buildset/{world.sample.buildsets['carry']}",
        "change": f"/change/{world.sample.changes['bad']}",
        "hostile change": f"/change/{world.sample.changes['hostile']}",
        "log": f"/log/{bad}/logs/nova.log",
        "octets": f"/log/{bad}/tempest/first.subunit",
        "hostile log": f"/log/{world.sample.builds['hostile']}/logs/nova.log",
        "queue": "/queue",
        "events": "/events",
        "events found": "/events?view=found",
        "no events": "/events?change=1",
        "trends": "/trends",
        "nodes": "/nodes",
        "login": "/login",
        "cost": "/cost",
        "health": "/health",
    }


@pytest.mark.parametrize("size", SIZES)
def test_every_page_fits_has_one_heading_and_breaks_no_policy(
    world: World, address: str, chromium: webdriver.Chrome, size: str
) -> None:
    for name, path in paths(world).items():
        go(chromium, address + path, size)
        found: dict[str, Any] = chromium.execute_script(
            """return {wide: document.documentElement.scrollWidth, view: document.documentElement.clientWidth,
                       h1: document.querySelectorAll('h1').length, title: document.title}"""
        )
        assert found["wide"] <= found["view"], (name, size, found)
        assert found["h1"] == 1, (name, size)
        assert "owned" not in found["title"], (name, size)
        assert complaints(chromium) == [], (name, size)


@pytest.mark.parametrize("size", SIZES)
def test_the_first_screen_of_a_failed_build_shows_what_failed(
    world: World, address: str, chromium: webdriver.Chrome, size: str
) -> None:
    go(chromium, address + world.build("bad"), size)
    height = SIZES[size][1]
    test = chromium.find_element(By.CSS_SELECTOR, "#failed a.test")
    assert "ServersTestJSON" in test.text
    assert test.rect["y"] + test.rect["height"] < height
    said = chromium.find_element(By.CSS_SELECTOR, "#failed .said")
    assert "failed to build and is in ERROR status" in said.text
    assert said.rect["y"] < height
    if size == "wide":
        cause = next(li for li in chromium.find_elements(By.CSS_SELECTOR, "#cause li") if CAUSE in li.text)
        assert cause.rect["y"] + cause.rect["height"] < height
        trace = chromium.find_element(By.CSS_SELECTOR, "#failed pre")
        assert trace.rect["y"] + 40 < height


def test_a_hostile_page_from_a_node_runs_nothing(world: World, address: str, chromium: webdriver.Chrome) -> None:
    go(chromium, f"{address}/artifact/{world.sample.builds['hostile']}/page.html", "wide")
    assert chromium.execute_script("return document.contentType") == "text/plain"
    assert "<script>" in chromium.find_element(By.TAG_NAME, "body").text
    assert chromium.title != "owned"


def test_a_live_page_follows_its_build_and_stops_when_it_is_done(
    world: World, address: str, chromium: webdriver.Chrome
) -> None:
    go(chromium, address + world.build("running"), "wide")
    assert "21 of about 27 tests have ended" in chromium.find_element(By.TAG_NAME, "h1").text
    with world.database.session() as session:
        build = session.query(BuildRow).filter_by(uuid=world.sample.builds["running"]).one()
        test = session.query(TestRow).filter_by(build_id=build.id, status="inprogress").one()
        test.status = "success"
    try:
        # htmx may swap the heading between our finding and our reading it
        wait = WebDriverWait(chromium, PATIENCE, ignored_exceptions=[StaleElementReferenceException])
        wait.until(lambda d: "22 of about 27 tests have ended" in d.find_element(By.TAG_NAME, "h1").text)
        with world.database.session() as session:
            build = session.query(BuildRow).filter_by(uuid=world.sample.builds["running"]).one()
            build.state, build.result, build.fault, build.finished_at = BuildState.DONE, "SUCCESS", "none", now()
        wait.until(lambda d: "SUCCESS" in d.title)
        assert chromium.find_elements(By.CSS_SELECTOR, "[hx-get]") == []
        assert complaints(chromium) == []
    finally:
        with world.database.session() as session:
            build = session.query(BuildRow).filter_by(uuid=world.sample.builds["running"]).one()
            build.state, build.result, build.fault, build.finished_at = BuildState.RUNNING, None, None, None
            session.get_one(TestRow, test.id).status = "inprogress"


def test_the_theme_buttons_work(world: World, address: str, chromium: webdriver.Chrome) -> None:
    def ground() -> str:
        return str(chromium.execute_script("return getComputedStyle(document.body).backgroundColor"))

    go(chromium, f"{address}/builds?fault=infra", "wide")
    chromium.find_element(By.CSS_SELECTOR, "button[value=dark]").click()
    WebDriverWait(chromium, PATIENCE).until(lambda _: ground() == "rgb(15, 18, 22)")
    assert chromium.current_url == f"{address}/builds?fault=infra"
    chromium.find_element(By.CSS_SELECTOR, "button[value=light]").click()
    WebDriverWait(chromium, PATIENCE).until(lambda _: ground() == "rgb(255, 255, 255)")
    chromium.find_element(By.CSS_SELECTOR, "button[value=system]").click()
    WebDriverWait(chromium, PATIENCE).until(lambda d: d.get_cookie("theme") is None)


def test_the_trends_are_drawn_twice_and_agree(world: World, address: str, chromium: webdriver.Chrome) -> None:
    go(chromium, f"{address}/trends", "wide")
    WebDriverWait(chromium, PATIENCE).until(lambda d: d.find_elements(By.CSS_SELECTOR, ".uplot canvas"))
    assert chromium.find_elements(By.CSS_SELECTOR, "svg[data-plot]") == []
    assert complaints(chromium) == []


def test_everything_works_with_scripts_off(world: World, address: str, chromium: webdriver.Chrome) -> None:
    chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        go(chromium, f"{address}/trends", "wide")
        assert chromium.find_elements(By.CSS_SELECTOR, "svg[data-plot] path.curve")
        go(chromium, address + world.build("running"), "wide")
        assert "Scripts are off, so this page stands still" in chromium.find_element(By.CSS_SELECTOR, "noscript").text
        go(chromium, f"{address}/builds", "wide")
        chromium.find_element(By.NAME, "q").send_keys(str(world.sample.changes["bad"]))
        chromium.find_element(By.CSS_SELECTOR, "form.filters button").click()
        asked = f"q={world.sample.changes['bad']}"
        WebDriverWait(chromium, PATIENCE).until(lambda d: asked in d.current_url)
        assert len(chromium.find_elements(By.CSS_SELECTOR, "table[aria-label=Builds] tbody tr")) == 1
    finally:
        chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_a_line_that_matters_leads_to_its_place_in_the_log(
    world: World, address: str, chromium: webdriver.Chrome
) -> None:
    go(chromium, address + world.build("bad"), "wide")
    line = next(
        li for li in chromium.find_elements(By.CSS_SELECTOR, "#cause li") if "Instance failed to spawn" in li.text
    )
    line.find_element(By.TAG_NAME, "a").click()
    WebDriverWait(chromium, PATIENCE).until(lambda d: "/log/" in d.current_url)
    target = chromium.find_element(By.CSS_SELECTOR, ":target")
    assert "Instance failed to spawn" in target.text
    assert 0 <= chromium.execute_script("return arguments[0].getBoundingClientRect().top", target) < SIZES["wide"][1]
