"""An image's recipe: a folder with image.toml, numbered shell steps, machine.json and what goes into the disk.

The recipe is data. Each step has a key, a digest of all that it is made from and of the keys before it: so a changed
file makes its step and the later ones outdated, and not the hour before them. A file that no step claims counts for
the first one: a forgotten entry costs time, never truth.
"""

import hashlib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from xenci.errors import NotFound
from xenci.lab.images.upstream import UPSTREAMS

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One shell script of a recipe."""

    #: e.g. `20-packages`; steps of the same number run side by side
    name: str
    script: Path
    #: digest of the script, of what it is made from, and of all steps with lower numbers
    key: str

    @property
    def number(self) -> int:
        return int(self.name.partition("-")[0])

    @property
    def about(self) -> str:
        """The script's first comment: one line that says what it makes."""
        return self.script.read_text().splitlines()[0].lstrip("#! ").strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Warming:
    """How the machine is booted and used once, before it is saved while it runs."""

    #: limit of the first boot, in seconds of processor time; each repetition gets half of it more
    boot_seconds: float
    attempts: int
    #: shell command, run in the machine by its guest agent; empty: nothing
    prepare: str
    prepare_seconds: float
    #: shell command, run right before the memory is saved
    before_saving: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one golden image is made."""

    name: str
    folder: Path
    about: str
    #: free disk space and memory that a build wants, GB
    disk_gb: float
    memory_gb: float
    needs_root: bool
    #: whether the steps want the repositories of upstream's projects
    needs_upstream: bool
    #: program -> Debian package that has it
    tools: Mapping[str, str]
    #: the tree is kept, packed, after the steps of this number: a change in a later one does not begin from nothing
    keep_after: int | None
    steps: tuple[Step, ...]
    warming: Warming
    #: of all of it
    fingerprint: str

    @property
    def groups(self) -> tuple[tuple[Step, ...], ...]:
        """The steps in order; those of the same number together."""
        return tuple(tuple(group) for _, group in groupby(self.steps, key=lambda step: step.number))


def names(recipes: Path = HERE) -> tuple[str, ...]:
    """Return the names of all images: the folders that have an image.toml."""
    return tuple(sorted(file.parent.name for file in recipes.glob("*/image.toml")))


def load(name: str, recipes: Path = HERE) -> Recipe:
    """Read a recipe. Raises NotFound if there is none of this name."""
    if name not in names(recipes):
        raise NotFound(f"no image {name}", remedy=f"Known images: {', '.join(names(recipes))}")
    folder = recipes / name
    raw = tomllib.loads((folder / "image.toml").read_text())
    claimed = {step: _files(folder, patterns) for step, patterns in raw.get("inputs", {}).items()}
    scripts = sorted((folder / "steps").glob("[0-9][0-9]-*.sh"))
    own = {script.stem: {script, *claimed.get(script.stem, ())} for script in scripts}
    rest = set(_every_file(folder)) - set().union(*own.values())
    texts = tuple(one.version for one in UPSTREAMS) if raw.get("needs_upstream") else ()
    before = _digest(rest, texts, folder)
    steps: list[Step] = []
    for _, group in groupby(scripts, key=lambda script: script.name[:2]):
        made = [Step(name=s.stem, script=s, key=_digest(own[s.stem], (before,), folder)) for s in group]
        steps += made
        before = hashlib.sha256("".join(step.key for step in made).encode()).hexdigest()
    return _recipe(folder, raw, tuple(steps), before)


def _recipe(folder: Path, raw: Mapping[str, Any], steps: tuple[Step, ...], fingerprint: str) -> Recipe:
    return Recipe(
        name=folder.name,
        folder=folder,
        about=raw["about"],
        disk_gb=raw["disk_gb"],
        memory_gb=raw["memory_gb"],
        needs_root=raw.get("needs_root", False),
        needs_upstream=raw.get("needs_upstream", False),
        tools=raw["tools"],
        keep_after=raw.get("keep_after"),
        steps=steps,
        warming=Warming(**{"prepare": "", "prepare_seconds": 0, "before_saving": "sync", **raw["warming"]}),
        fingerprint=fingerprint,
    )


def _files(folder: Path, patterns: Iterable[str]) -> set[Path]:
    """Find what the patterns name: in the recipe's folder, or, where they begin with configs/, in the repository."""
    found: set[Path] = set()
    for pattern in patterns:
        base = REPOSITORY if pattern.startswith("configs/") else folder
        matches = {path for path in base.glob(pattern) if path.is_file()}
        if not matches:
            raise NotFound(f"{folder / 'image.toml'}: inputs: nothing matches {pattern}")
        found |= matches
    return found


def _every_file(folder: Path) -> Iterator[Path]:
    """Walk the recipe's files; what is written about it for people does not change the machine."""
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return (path for path in files if path != folder / "README.md")


def _digest(files: Iterable[Path], texts: Iterable[str], folder: Path) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(b"text %d %s\n" % (len(text.encode()), text.encode()))
    for file in sorted(files):
        name = str(file.relative_to(folder if file.is_relative_to(folder) else REPOSITORY)).encode()
        content = file.read_bytes()
        digest.update(b"file %d %s %d %d\n" % (len(name), name, bool(file.stat().st_mode & 0o100), len(content)))
        digest.update(content)
    return digest.hexdigest()
