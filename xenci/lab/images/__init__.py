"""The lab's golden images: machines saved while they run, from which the clouds restore every server.

One folder here for each image, with its recipe: image.toml, steps, root/ (files of the machine, verbatim),
machine.json. What is made of it lies in the cache. The engine beside them knows no image by name; what runs inside a
machine, or in the shell while one is made, is data to this package. No cloud, no Gerrit here.
"""

from pathlib import Path

from xenci.lab.images import golden, needs
from xenci.lab.images.build import Work, build
from xenci.lab.images.recipe import load, names
from xenci.lab.images.upstream import NOVA, TEMPEST, UPSTREAMS, Upstream, repository
from xenci.lab.lock import held
from xenci.lab.paths import LabPaths
from xenci.lab.progress import say

__all__ = ["NOVA", "TEMPEST", "UPSTREAMS", "Upstream", "check", "ensure", "names", "repository", "sizes"]


def ensure(paths: LabPaths, name: str) -> Path:
    """Return the image's golden folder; make it, saying why, if it is missing, damaged or outdated.

    Raises NotFound for an unknown name, NotEnough before a build that cannot work, StepFailed or NotWarm. When it is
    run again, an interrupted build goes on with the step that it was in.
    """
    recipe = load(name)
    target = paths.images / name
    if not golden.faults(target, recipe.fingerprint):
        return target
    work = Work(folder=paths.cache / "build" / name)
    with held(paths.cache / "build" / f"{name}.lock", f"the image {name}"):
        if why := golden.faults(target, recipe.fingerprint):
            say(f"image {name} ({recipe.about}) is made: {'; '.join(why)}")
            needs.require(recipe, paths.cache)
            build(paths, recipe, work)
    return target


def check(paths: LabPaths, name: str, *, thorough: bool = False) -> list[str]:
    """Return why the cached image is not usable; empty means good. With `thorough` every byte is read."""
    return golden.faults(paths.images / name, load(name).fingerprint, thorough=thorough)


def sizes(paths: LabPaths) -> dict[str, int]:
    """Return the disk space in bytes of each image, of what builds keep (`build NAME`), of upstream's repositories."""
    found = {folder.name: _bytes(folder) for folder in paths.images.glob("[!.]*") if folder.is_dir()}
    found |= {f"build {folder.name}": _bytes(folder) for folder in (paths.cache / "build").glob("*/")}
    if paths.upstream.exists():
        found["upstream's repositories"] = _bytes(paths.upstream)
    return found


def _bytes(folder: Path) -> int:
    """Blocks really used: a sparse disk counts for what is in it."""
    return sum(file.lstat().st_blocks * 512 for file in folder.rglob("*"))
