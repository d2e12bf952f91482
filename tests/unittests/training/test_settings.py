"""Bases of recipes' YAMLs, and overrides by the command line."""

import pytest
from hyperpyyaml import load_hyperpyyaml

from recipes.common.settings import compose, parse_arguments


@pytest.fixture
def yaml(tmp_path):
    """A YAML whose bases are in another folder, and include a model there."""
    files = {
        "bases/model.yaml": "dim: 1\nlayers: 2\n",
        "bases/first.yaml": (
            "rate: 1\nsteps: 10\nclips: {least: 1, most: 2}\n"
            "model: !include:model.yaml {}\n"
            "found: !ref <model[dim]>\n"
            "made: !new:collections.Counter {a: !ref <rate>, b: 2}\n"
        ),
        "bases/second.yaml": "base: !include:first.yaml\nsteps: 20\n",
        "own/train.yaml": (
            "base:\n  - !include:../bases/second.yaml\n"
            "  - !include:more.yaml\n"
            "clips: {most: 3}\nmade: {b: 4}\nname: !ref of <steps>\n"
        ),
        "own/more.yaml": "other: !new:collections.Counter {a: 1}\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path / "own" / "train.yaml"


def test_yaml_overrides_its_bases(yaml):
    found = parse_arguments([str(yaml)]).load()
    assert found["steps"] == 20 and found["name"] == "of 20"
    assert found["clips"] == {"least": 1, "most": 3}
    assert found["made"] == {"a": 1, "b": 4} and found["other"] == {"a": 1}
    assert found["model"] == {"dim": 1, "layers": 2}


def test_command_line_overrides_every_setting(yaml, tmp_path, monkeypatch):
    """Settings of all bases and of what they include, also from another folder."""
    monkeypatch.chdir(tmp_path)
    line = ["--rate=7", "--model", "{dim: 5}", "--clips", "{least: 0}"]
    given = parse_arguments(["own/train.yaml", *line])
    found = given.load()
    assert found["made"]["a"] == 7 and found["name"] == "of 20"
    assert found["found"] == found["model"]["dim"] == 5
    assert found["clips"] == {"least": 0, "most": 3}
    given.save(tmp_path / "saved.yaml")
    assert load_hyperpyyaml((tmp_path / "saved.yaml").read_text()) == found
    with pytest.raises(KeyError, match="rates"):
        parse_arguments([str(yaml), "--rates=7"]).load()


def test_arguments_are_added_to_objects_without(yaml):
    """Also for settings that are null in a base."""
    base = yaml.parent / "more.yaml"
    base.write_text("other: !new:collections.Counter\nnothing: null\n")
    lines = "other: {b: 2}\nnothing: {c: 3}\n"
    yaml.write_text(yaml.read_text() + lines)
    found = parse_arguments([str(yaml)]).load()
    assert found["other"] == {"b": 2} and found["nothing"] == {"c": 3}
    assert type(found["other"]).__name__ == "Counter"


def test_mappings_replace_references(yaml):
    base = yaml.parent / "more.yaml"
    base.write_text("other: !ref <clips>\nneeded: !PLACEHOLDER\n")
    yaml.write_text(yaml.read_text() + "other: {b: 2}\nneeded: {c: 3}\n")
    found = parse_arguments([str(yaml)]).load()
    assert found["other"] == {"b": 2} and found["needed"] == {"c": 3}


def test_empty_files_change_nothing(yaml, tmp_path):
    base, empty = yaml.parent / "more.yaml", tmp_path / "empty.yaml"
    base.write_text("# nothing\n")
    empty.write_text("# nothing\n")
    yaml.write_text(yaml.read_text() + "ablation: null\n")
    found = parse_arguments([str(yaml), "--ablation", str(empty)]).load()
    assert found["steps"] == 20 and found["ablation"] == str(empty)


def test_values_without_a_name_are_refused(yaml):
    with pytest.raises(ValueError, match="'True' has no name"):
        parse_arguments([str(yaml), "--dry_run", "True"])


def test_tags_replace_whole_objects(yaml):
    lines = "made: !new:collections.OrderedDict {c: 3}\n"
    yaml.write_text(yaml.read_text().replace("made: {b: 4}\n", lines))
    assert dict(parse_arguments([str(yaml)]).load()["made"]) == {"c": 3}


def test_bases_must_be_included_files(yaml):
    yaml.write_text("base: other.yaml\n")
    with pytest.raises(ValueError, match="train.yaml: base has to be `!incl"):
        compose(yaml)
