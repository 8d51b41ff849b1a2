"""Reads a configuration file, and says what is wrong with it in one line for each mistake: file, path, remedy."""

import difflib
import os
import typing
from pathlib import Path
from typing import Any

import pydantic
import yaml

from xenci.config.models import Settings
from xenci.errors import ConfigError


def default_path() -> Path:
    """Return XENCI_CONFIG, or configs/xenci.yaml in this folder, or /etc/xenci/xenci.yaml."""
    if chosen := os.environ.get("XENCI_CONFIG"):
        return Path(chosen)
    here = Path("configs/xenci.yaml")
    return here if here.exists() else Path("/etc/xenci/xenci.yaml")


def load(path: Path) -> Settings:
    """Read and check a configuration. Relative paths in it are relative to the file.

    Raises ConfigError, whose detail has a line for each mistake.
    """
    try:
        raw = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise ConfigError(
            f"{path} is not there", remedy="name a file by --config or XENCI_CONFIG; configs/opendev.yaml is a start"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{path} holds no mapping", remedy="see configs/opendev.yaml")
    try:
        settings = Settings.model_validate(raw)
    except pydantic.ValidationError as error:
        lines = [f"{path}: {line}" for line in _lines(error)]
        raise ConfigError("\n".join(lines), remedy="see configs/opendev.yaml for every key with its meaning") from None
    return _resolve(settings, path.resolve().parent)


def schema() -> dict[str, Any]:
    """Return the JSON schema of the configuration, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "xenci", **Settings.model_json_schema()}


def _lines(error: pydantic.ValidationError) -> list[str]:
    lines = []
    for one in error.errors():
        where = _path(one["loc"])
        match one["type"]:
            case "extra_forbidden":
                text = f"{where}: unknown key{_hint(one['loc'])}"
            case "missing":
                text = f"{where}: is missing"
            case "value_error":
                words = str(one["msg"]).removeprefix("Value error, ")
                text = f"{where}: {words}" if where else words
            case _:
                text = f"{where}: {one['msg'][0].lower()}{one['msg'][1:]} (it is {one['input']!r})"
        lines.append(text)
    return lines


def _path(loc: tuple[int | str, ...]) -> str:
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".")


def _hint(loc: tuple[int | str, ...]) -> str:
    """Look up the model that the unknown key stands in, and say which of its keys is near."""
    model: Any = Settings
    for part in loc[:-1]:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        if field is None:
            return ""
        model = next((a for a in _arguments(field.annotation) if hasattr(a, "model_fields")), None)
        if model is None:
            return ""
    near = difflib.get_close_matches(str(loc[-1]), model.model_fields, n=1, cutoff=0.5)
    return f" (did you mean {near[0]}?)" if near else f" (known: {', '.join(sorted(model.model_fields))})"


def _arguments(annotation: Any) -> list[Any]:
    inner = typing.get_args(annotation)
    return [annotation] if not inner else [x for a in inner for x in _arguments(a)]


def _resolve(settings: Settings, folder: Path) -> Settings:
    """Make the paths that the file names absolute."""
    ssh = settings.gerrit.ssh
    jobs = tuple(
        job.model_copy(update={"carry": tuple(c.model_copy(update={"series": folder / c.series}) for c in job.carry)})
        for job in settings.jobs
    )
    return settings.model_copy(
        update={
            "state_dir": folder / settings.state_dir,
            "gerrit": settings.gerrit.model_copy(
                update={"ssh": ssh.model_copy(update={"key_file": folder / ssh.key_file})}
            ),
            "node_key_file": _below(folder, settings.node_key_file),
            "database": settings.database.model_copy(update={"folder": _below(folder, settings.database.folder)}),
            "artifacts": settings.artifacts.model_copy(update={"folder": _below(folder, settings.artifacts.folder)}),
            "jobs": jobs,
            "images": settings.images.model_copy(update={"playbook": _below(folder, settings.images.playbook)}),
        }
    )


def _below(folder: Path, path: Path | None) -> Path | None:
    return folder / path if path is not None else None
