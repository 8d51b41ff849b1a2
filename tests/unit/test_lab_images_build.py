"""The build engine, on a small recipe with real shell steps: order, interruption, failure, what is kept."""

import subprocess
from pathlib import Path

import pytest

from xenci.lab import processes
from xenci.lab.images import golden
from xenci.lab.images.build import StepFailed, Work, build
from xenci.lab.images.needs import NotEnough, require
from xenci.lab.images.recipe import Recipe, Warming, load
from xenci.lab.paths import LabPaths

TOML = """
about = "a machine"
disk_gb = 0.001
memory_gb = 0.001
keep_after = 20
[tools]
bash = "bash"
[inputs]
"30-cloud" = ["root/hostname"]
[warming]
boot_seconds = 1
attempts = 1
"""
MEET = """touch "$BUILD/{me}"
for i in $(seq 400); do [ ! -e "$BUILD/{other}" ] || break; sleep 0.05; done
[ -e "$BUILD/{other}" ]
"""
SCRIPTS = {
    "10-rootfs": 'rm -rf "$BUILD/rootfs"; mkdir -p "$BUILD/rootfs"; echo rootfs >> "$BUILD/rootfs/story"\n',
    "20-left": MEET.format(me="left", other="right"),
    "20-right": MEET.format(me="right", other="left"),
    "30-cloud": """echo "the cloud breaks here"; [ ! -e "$IMAGE/../broken" ]
cat "$IMAGE/root/hostname" >> "$BUILD/rootfs/story"
""",
    "50-disk": 'cp "$BUILD/rootfs/story" "$GOLDEN/base.raw"; echo "$NAME $NOVA_VERSION" > "$GOLDEN/machine.json"\n',
}


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    box = tmp_path / "recipes" / "box"
    (box / "steps").mkdir(parents=True)
    (box / "root").mkdir()
    (box / "root" / "hostname").write_text("box\n")
    (box / "image.toml").write_text(TOML)
    for step, text in SCRIPTS.items():
        (box / "steps" / f"{step}.sh").write_text(f"# make {step}\n{text}")
    return tmp_path / "recipes"


@pytest.fixture
def paths(tmp_path: Path) -> LabPaths:
    return LabPaths(state=tmp_path / "state", cache=tmp_path / "cache", port=15000)


def working(paths: LabPaths) -> Work:
    return Work(folder=paths.cache / "build" / "box")


def warm(warming: Warming, golden_folder: Path, folder: Path, known_to: dict[Path, str]) -> None:
    (golden_folder / "memory.zst").write_text(f"warm after {warming.boot_seconds} s")


def made(paths: LabPaths, recipes: Path) -> tuple[Recipe, str]:
    """Build, and return the recipe and what the steps did to the disk's tree."""
    recipe = load("box", recipes)
    build(paths, recipe, working(paths), warmed_by=warm)
    return recipe, (paths.images / "box" / "base.raw").read_text()


def test_a_build_makes_a_whole_golden_folder_and_keeps_only_what_helps_later(paths: LabPaths, recipes: Path) -> None:
    recipe, story = made(paths, recipes)
    target = paths.images / "box"
    assert golden.faults(target, recipe.fingerprint, thorough=True) == []
    assert story == "rootfs\nbox\n"
    assert (target / "machine.json").read_text() == "box 31.3.1\n"
    assert {path.name for path in working(paths).folder.iterdir()} == {"log", "kept.tar.zst", "kept.key"}


def test_a_failed_step_says_its_last_words_and_the_next_attempt_goes_on_with_it(paths: LabPaths, recipes: Path) -> None:
    (recipes / "broken").touch()
    with pytest.raises(StepFailed, match="30-cloud ended with 1: the cloud breaks here") as failure:
        made(paths, recipes)
    assert "30-cloud.log; when the cause is gone run again" in failure.value.remedy
    assert not (paths.images / "box").exists()
    (working(paths).folder / "rootfs" / "story").write_text("the same tree\n")
    (recipes / "broken").unlink()
    assert made(paths, recipes)[1] == "the same tree\nbox\n"


def test_a_build_killed_in_the_first_boot_does_no_step_again(paths: LabPaths, recipes: Path) -> None:
    def interrupted(warming: Warming, golden_folder: Path, folder: Path, known_to: dict[Path, str]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(paths, load("box", recipes), working(paths), warmed_by=interrupted)
    (working(paths).golden / "base.raw").write_text("as the steps left it\n")
    assert made(paths, recipes)[1] == "as the steps left it\n"


def test_what_the_callers_git_is_told_reaches_no_step(
    paths: LabPaths, recipes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEMPLATE_DIR", "")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "the caller")
    script = recipes / "box" / "steps" / "10-rootfs.sh"
    script.write_text(script.read_text() + 'env | grep -o "^GIT_[A-Z_]*" >> "$BUILD/rootfs/story" || true\n')
    assert made(paths, recipes)[1] == "rootfs\nbox\n"


def test_a_changed_later_step_begins_with_the_kept_tree(paths: LabPaths, recipes: Path) -> None:
    made(paths, recipes)
    (recipes / "box" / "root" / "hostname").write_text("other\n")
    logs = working(paths).folder / "log"
    (logs / "10-rootfs.log").unlink()
    assert made(paths, recipes)[1] == "rootfs\nother\n"
    assert not (logs / "10-rootfs.log").exists()


def test_a_damaged_kept_tree_is_said_and_not_used(
    paths: LabPaths, recipes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made(paths, recipes)
    (recipes / "box" / "root" / "hostname").write_text("other\n")
    working(paths).kept.write_bytes(b"no archive")
    assert made(paths, recipes)[1] == "rootfs\nother\n"
    assert "the kept tree is damaged and not used: tar said" in capsys.readouterr().err


def test_what_a_killed_attempt_left_running_is_ended_first(paths: LabPaths, recipes: Path) -> None:
    left = subprocess.Popen(["sleep", "600"], start_new_session=True)
    processes.adopt(working(paths).run, "20-left", left.pid)
    made(paths, recipes)
    assert left.wait(timeout=10) == -9


@pytest.mark.parametrize(("key", "need"), [("disk_gb", "GB of disk"), ("memory_gb", "GB of memory")])
def test_too_small_a_machine_is_said_before_anything_starts(
    paths: LabPaths, recipes: Path, key: str, need: str
) -> None:
    toml = recipes / "box" / "image.toml"
    toml.write_text(toml.read_text().replace(f"{key} = 0.001", f"{key} = 1000000"))
    with pytest.raises(NotEnough, match=f"box needs 1000000.*{need}") as refusal:
        require(load("box", recipes), paths.cache)
    assert refusal.value.remedy
