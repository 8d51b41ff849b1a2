"""One lab for all tests of a worker: its own state, ports and Gerrit, the shared cache; taken down whatever happens.

An emulated machine leaves a third of two cores idle, so two workers with a lab each run side by side; a file's tests
stay together. It fails where it cannot start, with the reasons: a lab test that skips itself would be one that cannot
fail.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from xenci.lab import world
from xenci.lab.paths import LabPaths, cache_dir

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
#: short, as Unix sockets lie deep below it, and of fixed name, so that what a killed test run left is found
FOLDER = Path(os.environ.get("XENCI_TEST_LAB_DIR", "/var/tmp/xenci-test-lab") + (f"-w{_WORKER}" if _WORKER else ""))
PORT = int(os.environ.get("XENCI_TEST_LAB_PORT", "16000")) + 1000 * _WORKER
#: begun first: what takes longest, and then, beside it, what can do without the images that may have to be made
_FIRST = ("test_loop.py", "test_outages.py", "test_pool_scale.py", "test_chromium.py", "test_operator.py")
#: when nobody else has emulated hosts at work: it has two at once
_LAST = "test_node_images.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark whatever is here as the lab's: the fast tests leave this folder out, so none may pass for one of them."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.lab)
    ranks = {name: rank for rank, name in enumerate(_FIRST)} | {_LAST: len(_FIRST) + 1}
    items.sort(key=lambda item: ranks.get(item.path.name, len(_FIRST)))


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Iterator[LabPaths]:
    """A lab without xenci: a seeded Gerrit and both clouds. After the tests its logs stay in FOLDER."""
    paths = LabPaths(state=FOLDER.resolve(), cache=cache_dir(), port=PORT)
    world.down(paths)
    shutil.rmtree(paths.state, ignore_errors=True)
    try:
        # images that must be made take a quarter of an hour: people see what goes on
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            world.up(paths, xenci=False)
        yield paths
    finally:
        world.down(paths)
