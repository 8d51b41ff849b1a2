"""One lab for all tests of a worker: its own state, ports and Gerrit, the shared cache; taken down whatever happens.

An emulated Xen host leaves much of two cores idle, so two workers with a lab each run side by side: one has the main
job, the other all that needs no Xen host and then, as a rule, the tests of single Xen hosts. It comes second where both
want a core. A lab that cannot start fails its tests, with the reasons: a lab test that skips itself would be one
that cannot fail.
"""

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.doors import entered
from xenci.host.connection import SshHost
from xenci.host.door import Door
from xenci.lab import world
from xenci.lab.paths import LabPaths, cache_dir

#: how nice the worker beside the main job is; much more would starve it while the main job has two Xen hosts
_MODESTY = 5
#: when a test of the lab counts as hanging, seconds; the machine may be slow, and each worker has half of it
_HANGS = 1800
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
#: short, as Unix sockets lie deep below it, and of fixed name, so that what a killed test run left is found
FOLDER = Path(os.environ.get("XENCI_TEST_LAB_DIR", "/var/tmp/xenci-test-lab") + (f"-w{_WORKER}" if _WORKER else ""))
PORT = int(os.environ.get("XENCI_TEST_LAB_PORT", "16000")) + 1000 * _WORKER
#: the order of files: first what takes longest, but beside the making of a Xen host's image what can do without one
_FIRST = ("test_loop.py", "test_outages.py", "test_pool_scale.py", "test_node_images.py", "test_pool_machines.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark whatever is here as the lab's: the fast tests leave this folder out, so none may pass for one of them."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.lab)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(_HANGS))
        if item.path.is_relative_to(here / "xen"):
            item.add_marker(pytest.mark.xen)
    ranks = {name: rank for rank, name in enumerate(_FIRST)}
    items.sort(key=lambda item: (ranks.get(item.path.name, len(ranks)), item.path.is_relative_to(here / "xen")))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Have whoever runs beside the main job give way to it, with all that it starts from here on."""
    if "PYTEST_XDIST_WORKER" in os.environ and not item.get_closest_marker("xen") and os.nice(0) == 0:
        os.nice(_MODESTY)


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


@pytest.fixture
def place() -> str:
    return f"/var/tmp/xenci-contract/{uuid.uuid4().hex}"


@pytest.fixture(scope="class")
def host(door: Door) -> Iterator[SshHost]:
    host = entered(door)
    yield host
    host.close()
