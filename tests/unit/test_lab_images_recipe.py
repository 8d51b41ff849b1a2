"""Recipes: what makes an image outdated, and where a build begins."""

from collections.abc import Callable
from pathlib import Path

import pytest

from xenci.errors import NotFound
from xenci.lab.images.plan import key_of_kept, plan
from xenci.lab.images.recipe import Recipe, load, names

TOML = """
about = "a machine"
disk_gb = 0.001
memory_gb = 0.001
keep_after = 20
[tools]
bash = "bash"
[inputs]
"30-cloud" = ["root/**/*"]
"50-disk" = ["image.toml"]
[warming]
boot_seconds = 1
attempts = 1
"""
STEPS = ("10-rootfs", "20-packages", "20-venv", "30-cloud", "50-disk")


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    """A folder with the recipe of one image, `box`."""
    box = tmp_path / "recipes" / "box"
    (box / "steps").mkdir(parents=True)
    (box / "root" / "etc").mkdir(parents=True)
    (box / "image.toml").write_text(TOML)
    (box / "lib.sh").write_text("shared\n")
    (box / "root" / "etc" / "hostname").write_text("box\n")
    for step in STEPS:
        (box / "steps" / f"{step}.sh").write_text(f"# make {step}\ntrue\n")
    return tmp_path / "recipes"


def keys(recipes: Path) -> dict[str, str]:
    return {step.name: step.key for step in load("box", recipes).steps}


def append(file: Path) -> None:
    file.write_text(file.read_text() + "# more\n")


@pytest.mark.parametrize(
    ("change", "outdated"),
    [
        (lambda box: append(box / "lib.sh"), STEPS),
        (lambda box: append(box / "steps/10-rootfs.sh"), STEPS),
        (lambda box: append(box / "steps/20-venv.sh"), ("20-venv", "30-cloud", "50-disk")),
        (lambda box: append(box / "root/etc/hostname"), ("30-cloud", "50-disk")),
        (lambda box: (box / "root/etc/hostname").chmod(0o755), ("30-cloud", "50-disk")),
        (lambda box: (box / "root/etc/motd").write_text("new"), ("30-cloud", "50-disk")),
        (lambda box: append(box / "image.toml"), ("50-disk",)),
        (lambda box: (box / "notes.txt").write_text("a file that no step claims"), STEPS),
    ],
)
def test_a_changed_file_makes_its_step_and_the_later_ones_outdated(
    recipes: Path, change: Callable[[Path], object], outdated: tuple[str, ...]
) -> None:
    before, fingerprint = keys(recipes), load("box", recipes).fingerprint
    change(recipes / "box")
    after = keys(recipes)
    assert {name for name in before if after[name] != before[name]} == set(outdated)
    assert load("box", recipes).fingerprint != fingerprint


def test_the_fingerprint_depends_on_nothing_but_the_files(recipes: Path, tmp_path: Path) -> None:
    first = load("box", recipes).fingerprint
    moved = tmp_path / "elsewhere"
    recipes.rename(moved)
    (moved / "box" / "steps" / "__pycache__").mkdir()
    (moved / "box" / "steps" / "__pycache__" / "x.pyc").write_bytes(b"bytecode")
    assert load("box", moved).fingerprint == first


def test_what_is_written_about_an_image_does_not_make_it_outdated(recipes: Path) -> None:
    before = load("box", recipes).fingerprint
    (recipes / "box" / "README.md").write_text("what it is for")
    assert load("box", recipes).fingerprint == before


def test_steps_of_the_same_number_go_side_by_side_and_the_others_in_order(recipes: Path) -> None:
    groups = [[step.name for step in group] for group in load("box", recipes).groups]
    assert groups == [["10-rootfs"], ["20-packages", "20-venv"], ["30-cloud"], ["50-disk"]]


def test_an_input_that_matches_nothing_is_said_and_not_ignored(recipes: Path) -> None:
    toml = recipes / "box" / "image.toml"
    toml.write_text(toml.read_text().replace("root/**/*", "rooot/**/*"))
    with pytest.raises(NotFound, match="nothing matches rooot"):
        load("box", recipes)


def test_an_unknown_image_is_told_with_the_known_ones(recipes: Path) -> None:
    with pytest.raises(NotFound, match=r"no image boxx. Known images: box"):
        load("boxx", recipes)


def all_keys(recipe: Recipe, *steps: str) -> dict[str, str]:
    return {step.name: step.key for step in recipe.steps if step.name in steps}


def planned(recipe: Recipe, **marks: dict[str, str] | str | None) -> tuple[str, list[list[str]]]:
    defaults: dict[str, object] = {"begun": {}, "done": {}, "kept": None}
    decided = plan(recipe, **{**defaults, **marks})  # type: ignore[arg-type]
    return decided.start, [[step.name for step in group] for group in decided.groups]


def test_a_first_build_does_everything(recipes: Path) -> None:
    recipe = load("box", recipes)
    assert planned(recipe) == ("nothing", [["10-rootfs"], ["20-packages", "20-venv"], ["30-cloud"], ["50-disk"]])


def test_an_interrupted_build_goes_on_with_the_step_it_was_in(recipes: Path) -> None:
    recipe = load("box", recipes)
    begun = all_keys(recipe, "10-rootfs", "20-packages", "20-venv")
    done = all_keys(recipe, "10-rootfs", "20-packages")
    assert planned(recipe, begun=begun, done=done) == ("go on", [["20-venv"], ["30-cloud"], ["50-disk"]])


def test_a_build_interrupted_in_its_first_boot_goes_on_with_that(recipes: Path) -> None:
    recipe = load("box", recipes)
    assert planned(recipe, begun=all_keys(recipe, *STEPS), done=all_keys(recipe, *STEPS)) == ("go on", [])


def test_a_step_that_changed_before_it_was_begun_does_not_spoil_what_is_done(recipes: Path) -> None:
    old = load("box", recipes)
    append(recipes / "box/root/etc/hostname")
    marks = all_keys(old, "10-rootfs", "20-packages", "20-venv")
    expected = ("go on", [["30-cloud"], ["50-disk"]])
    assert planned(load("box", recipes), begun=marks, done=marks) == expected


def test_a_tree_that_went_through_a_step_which_changed_is_not_used(recipes: Path) -> None:
    old = load("box", recipes)
    append(recipes / "box/root/etc/hostname")
    recipe, begun = load("box", recipes), all_keys(old, *STEPS[:4])
    assert planned(recipe, begun=begun, done=begun)[0] == "nothing"
    kept = key_of_kept(recipe)
    assert planned(recipe, begun=begun, done=begun, kept=kept) == ("kept", [["30-cloud"], ["50-disk"]])


def test_a_kept_tree_of_older_packages_is_not_used(recipes: Path) -> None:
    kept = key_of_kept(load("box", recipes))
    append(recipes / "box/steps/20-packages.sh")
    assert planned(load("box", recipes), kept=kept)[0] == "nothing"


@pytest.mark.parametrize("name", names())
def test_every_image_of_the_lab_has_steps_that_say_what_they_make(name: str) -> None:
    recipe = load(name)
    assert recipe.steps
    assert recipe.about
    for step in recipe.steps:
        assert len(step.about) > 20, step.name
        assert step.about[0].islower(), step.name
