"""The build engine: does what the plan says, step by step, and leaves marks by which the next attempt goes on.

Each shell step runs in process and mount namespaces of its own: what ends the step ends all that it started, and no
mount outlives it. The steps' processes are noted in the working folder, so that the next attempt first ends what an
attempt that was killed has left running.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from xenci.errors import Permanent
from xenci.lab import processes
from xenci.lab.images import golden, upstream, warm
from xenci.lab.images.plan import key_of_kept, plan
from xenci.lab.images.recipe import REPOSITORY, Recipe, Step, Warming
from xenci.lab.paths import LabPaths
from xenci.lab.progress import say, step


class StepFailed(Permanent):
    """A step of an image's build failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The working folder of one image's build."""

    folder: Path

    @property
    def golden(self) -> Path:
        return self.folder / "golden"

    @property
    def kept(self) -> Path:
        return self.folder / "kept.tar.zst"

    @property
    def run(self) -> Path:
        return self.folder / "run"

    def log(self, step: str) -> Path:
        return self.folder / "log" / f"{step}.log"

    def marks(self, kind: str) -> dict[str, str]:
        """Return the keys by step of the marks `begun` or `done`."""
        return {file.name: file.read_text() for file in (self.folder / kind).glob("[!.]*")}

    def mark(self, kind: str, step: Step) -> None:
        file = self.folder / kind / step.name
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f".{file.name}.new")
        new.write_text(step.key)
        new.rename(file)

    @property
    def key_of_kept(self) -> str | None:
        note = self.folder / "kept.key"
        return note.read_text() if note.exists() and self.kept.exists() else None

    def clear(self) -> None:
        """Remove all but the logs and the kept tree; the marks go first (rm: there are 60,000 files)."""
        stays = {"log", "kept.tar.zst", "kept.key"}
        goes = [path for path in self.folder.glob("*") if path.name not in stays]
        goes.sort(key=lambda path: path.name not in ("begun", "done"))
        for path in goes:
            subprocess.run(["rm", "-rf", str(path)], check=True)


#: boots, uses and saves a machine: what to do, its golden folder, a working folder, who shall know the process
Warm = Callable[[Warming, Path, Path, dict[Path, str]], None]


def build(paths: LabPaths, recipe: Recipe, work: Work, *, warmed_by: Warm = warm.warm) -> None:
    """Make the image and put it into its place. Raises StepFailed and its like; run again, it goes on from there."""
    _end_leftovers(work)
    groups = _begin(recipe, work)
    env = _environment(paths, recipe, work)
    for group in groups:
        _side_by_side(work, group, env)
        if group[0].number == recipe.keep_after:
            _keep(work, recipe)
    warmed_by(recipe.warming, work.golden, work.folder / "machine", {paths.run: f"image-{recipe.name}"})
    with step(f"note what the image {recipe.name} consists of"):
        golden.seal(work.golden, recipe.fingerprint)
        golden.publish(work.golden, paths.images / recipe.name)
        work.clear()


def _begin(recipe: Recipe, work: Work) -> tuple[tuple[Step, ...], ...]:
    """Bring the working folder to where the plan begins, and return the steps left."""
    decided = plan(recipe, begun=work.marks("begun"), done=work.marks("done"), kept=work.key_of_kept)
    say(f"image {recipe.name}: {decided.reason}; working folder {work.folder}")
    if decided.start != "go on":
        work.clear()
    work.golden.mkdir(parents=True, exist_ok=True)
    if decided.start == "kept":
        try:
            _unpack(work, recipe)
        except StepFailed as error:
            say(f"the kept tree is damaged and not used: {error.detail}")
            work.kept.unlink()
            return _begin(recipe, work)
    return decided.groups


def _environment(paths: LabPaths, recipe: Recipe, work: Work) -> dict[str, str]:
    # an image is the same whatever the caller's Git is told: a template folder of its own, say
    outer = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {
        **outer,
        "NAME": recipe.name,
        "IMAGE": str(recipe.folder),
        "REPOSITORY": str(REPOSITORY),
        "BUILD": str(work.folder),
        "GOLDEN": str(work.golden),
        "PYTHON": sys.executable,
        **_upstream(paths, recipe),
    }


def _upstream(paths: LabPaths, recipe: Recipe) -> dict[str, str]:
    """Return NOVA_VERSION, NOVA_BRANCH, NOVA_REPOSITORY and so on; the last where the recipe wants it."""
    found: dict[str, str] = {}
    for one in upstream.UPSTREAMS:
        name = one.name.upper()
        found |= {f"{name}_VERSION": one.version, f"{name}_BRANCH": one.branch}
        found[f"{name}_REPOSITORY"] = str(upstream.repository(paths, one)) if recipe.needs_upstream else ""
    return found


def _side_by_side(work: Work, group: tuple[Step, ...], env: dict[str, str]) -> None:
    with ThreadPoolExecutor(len(group)) as pool:
        running = [pool.submit(_do, work, one, env) for one in group]
        try:
            failed = [error for one in running if (error := one.exception())]
        except BaseException:
            _end_leftovers(work)
            raise
    if failed:
        raise failed[0]


def _do(work: Work, one: Step, env: dict[str, str]) -> None:
    work.mark("begun", one)
    log = work.log(one.name)
    log.parent.mkdir(parents=True, exist_ok=True)
    apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"] if os.geteuid() == 0 else []
    command = [*apart, "bash", "-euo", "pipefail", str(one.script)]
    with step(f"{one.name}: {one.about}"), log.open("wb") as out:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=env, start_new_session=True
        )
        processes.adopt(work.run, one.name, child.pid, command=command, log=log)
        code = child.wait()
        (work.run / f"{one.name}.json").unlink(missing_ok=True)
        if code:
            said = " | ".join(log.read_text(errors="replace").strip().splitlines()[-4:])
            remedy = f"Read {log}; when the cause is gone run again: it goes on with this step"
            raise StepFailed(f"{one.name} ended with {code}: {said[-500:]}", remedy=remedy)
    work.mark("done", one)


def _end_leftovers(work: Work) -> None:
    """End what still runs of an attempt that was killed, or of this one when it is given up."""
    for process in processes.all_of(work.run):
        if process.lives:
            say(f"ending {process.name} (pid {process.pid}) of an attempt that was given up")
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        processes.end(work.run, process.name)


def _keep(work: Work, recipe: Recipe) -> None:
    key = key_of_kept(recipe)
    if key is None or work.key_of_kept == key:
        return
    (work.folder / "kept.key").unlink(missing_ok=True)
    with step("keep the tree as it is now, packed, for later builds"):
        new = work.kept.with_name("kept.new")
        _tar("-I", "zstd -q -3 -T2", "-cf", str(new), "-C", str(work.folder), "rootfs")
        new.rename(work.kept)
        (work.folder / "kept.key").write_text(key)


def _unpack(work: Work, recipe: Recipe) -> None:
    with step("unpack the kept tree"):
        _tar("-I", "zstd -q -d", "-xf", str(work.kept), "-C", str(work.folder))
    for one in recipe.steps:
        if one.number <= (recipe.keep_after or 0):
            work.mark("begun", one)
            work.mark("done", one)


def _tar(*arguments: str) -> None:
    command = ["tar", "--numeric-owner", "--xattrs", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StepFailed(f"tar said: {done.stderr.strip()[-300:]}", remedy="Is the disk full?")
