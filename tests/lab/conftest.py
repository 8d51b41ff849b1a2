"""One lab for all tests that need one: its own state, ports and Gerrit, the shared cache; taken down whatever happens.

It fails where it cannot start, with the reasons: a lab test that skips itself would be a test that cannot fail.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from xenci.lab import world
from xenci.lab.paths import LabPaths, cache_dir

#: short, as Unix sockets lie deep below it, and of fixed name, so that what a killed test run left is found
FOLDER = Path(os.environ.get("XENCI_TEST_LAB_DIR", "/var/tmp/xenci-test-lab"))
PORT = int(os.environ.get("XENCI_TEST_LAB_PORT", "16000"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark whatever is here as the lab's: the fast tests leave this folder out, so none may pass for one of them."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.lab)


@pytest.fixture(scope="session")
def lab() -> Iterator[LabPaths]:
    """A lab without xenci: a seeded Gerrit and both clouds. After the tests its logs stay in FOLDER."""
    paths = LabPaths(state=FOLDER.resolve(), cache=cache_dir(), port=PORT)
    world.down(paths)
    shutil.rmtree(paths.state, ignore_errors=True)
    try:
        world.up(paths, xenci=False)
        yield paths
    finally:
        world.down(paths)
