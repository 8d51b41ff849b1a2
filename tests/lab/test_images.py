"""The golden images' cache, and machines restored from the stand-in's."""

import os
import shutil
from pathlib import Path

import pytest

from tests.lab.machines import door_on_this_host, restored
from xenci.lab import images
from xenci.lab.paths import LabPaths


def test_a_stand_in_restored_from_its_image_is_a_machine_of_its_own(tmp_path: Path) -> None:
    with restored("standin", tmp_path / "one") as one, restored("standin", tmp_path / "two") as two:
        assert one.told("hostname") == "one"
        assert two.told("hostname") == "two"
        keys = [each.machine.console.read_text().split("ssh-ed25519 ")[1].split()[0] for each in (one, two)]
        assert keys[0] != keys[1]
        with door_on_this_host() as port:
            assert "OPEN" not in one.run(f"timeout 10 nc 10.0.2.2 {port} < /dev/null").stdout
        machines = (one.machine, two.machine)
        assert all(machine.lives for machine in machines)
    assert not any(machine.lives for machine in machines)


def test_the_images_in_the_cache_are_read_to_the_last_byte_and_good() -> None:
    paths = LabPaths.of_environment()
    images.ensure(paths, "standin")
    assert images.check(paths, "standin", thorough=True) == []
    assert images.sizes(paths)["standin"] > 10_000_000


def test_a_damaged_image_is_noticed_and_made_anew_without_the_network(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    real = LabPaths.of_environment()
    images.ensure(real, "standin")
    # a short one, as sockets lie deep below it
    place = tmp_path_factory.mktemp("c")
    copy = LabPaths(state=place / "state", cache=place / "cache", port=real.port)
    for folder in ("images/standin", "build/standin"):
        shutil.copytree(real.cache / folder, copy.cache / folder)
    assert images.ensure(copy, "standin") == copy.images / "standin"
    os.truncate(copy.images / "standin" / "memory.zst", 1000)
    images.ensure(copy, "standin")
    told = capsys.readouterr().err
    assert "damaged: memory.zst has 1000 bytes instead of" in told
    assert "begins with the tree kept from an earlier build" in told
    assert "10-packages" not in told
    assert images.check(copy, "standin", thorough=True) == []
