"""Files beside the code keep their promises: compose file, schema for editors, examples of configuration."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from xenci.config.load import load, schema
from xenci.config.models import Settings
from xenci.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]


def test_the_compose_file_keeps_the_compose_schema() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    jsonschema.validate(compose, json.loads((ROOT / "tests/schemas/compose_spec.json").read_text()))
    for service in ("postgres", "listener", "worker", "web"):
        assert service in compose["services"]


def test_the_compose_file_publishes_nothing_beyond_this_machine() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_schema_for_editors_is_the_models() -> None:
    kept = json.loads((ROOT / "configs/xenci.schema.json").read_text())
    assert kept == schema(), "write it anew: xenci config schema > configs/xenci.schema.json"


def test_the_example_for_opendev_is_usable_and_keeps_the_schema() -> None:
    settings = load(ROOT / "configs/opendev.yaml")
    jsonschema.validate(yaml.safe_load((ROOT / "configs/opendev.yaml").read_text()), schema())
    assert len({provider.failure_domain for provider in settings.providers}) == 2
    assert 20 <= sum(provider.max_servers for provider in settings.providers) <= 25
    assert settings.reports_start_paused


MISTAKES = {
    "an unknown key": (
        "flavor: m1.large",
        "flavour: m1.large",
        "providers[1].labels[0].flavour",
        "did you mean flavor?",
    ),
    "a missing key": ("    network: xenci\n    max_servers", "    max_servers", "providers[1].network", "is missing"),
    "a label nobody has": ("label: xen-bookworm-8gb", "label: xen-trixie", "jobs[0].label", "no label is named"),
    "a bad duration": ("tempest: 2h", "tempest: two hours", "jobs[0].deadlines.tempest", "write 90s, 10m, 2h or 1d"),
    "a bad pattern": ('"^nova/tests/"', '"^nova/(tests/"', "irrelevant_files[3]", "no regular expression"),
    "a pipeline's name that hides the comment": ("- name: check", "- name: xen-check", "pipelines[1].name", "pattern"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_is_told_with_file_path_and_what_is_wrong(what: str, tmp_path: Path) -> None:
    right, wrong, where, why = MISTAKES[what]
    text = (ROOT / "configs/opendev.yaml").read_text()
    assert right in text
    path = tmp_path / "xenci.yaml"
    path.write_text(text.replace(right, wrong, 1))
    with pytest.raises(ConfigError) as told:
        load(path)
    assert str(path) in told.value.detail
    assert where in told.value.detail
    assert why in told.value.detail
    assert told.value.remedy


def test_the_key_for_one_zone_means_a_list_of_one(tmp_path: Path) -> None:
    text = (ROOT / "configs/opendev.yaml").read_text()
    path = tmp_path / "xenci.yaml"
    zones = []
    for keys in ("availability_zone: az1", "availability_zone: null"):
        path.write_text(text.replace("availability_zones: []", keys, 1))
        zones.append(load(path).providers[0].availability_zones)
    assert zones == [("az1",), ()]
    path.write_text(text.replace("availability_zones: []", "availability_zones: []\n    availability_zone: az1", 1))
    with pytest.raises(ConfigError, match="keep availability_zones"):
        load(path)


def test_a_file_that_is_not_there_is_told_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not there") as told:
        load(tmp_path / "none.yaml")
    assert "--config" in told.value.remedy


def test_what_is_no_yaml_is_told(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("a: [1, 2\nb: }")
    with pytest.raises(ConfigError, match="is not YAML"):
        load(tmp_path / "bad.yaml")


def test_settings_survive_being_written_and_read() -> None:
    settings = load(ROOT / "configs/opendev.yaml")
    assert Settings.model_validate_json(settings.model_dump_json()) == settings
