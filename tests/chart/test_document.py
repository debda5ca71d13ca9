"""The chart's own documents: values, schema and README speak of the same things."""

import json
import re

import pytest
import yaml

from conftest import CHART, NAMESPACE, RELEASE, helm, of_kind

README = (CHART / "README.md").read_text()
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def resolved(schema):
    return SCHEMA["$defs"][schema["$ref"].split("/")[-1]] if "$ref" in schema else schema


def names(schema, prefix=""):
    """Every name the schema allows, maps that users fill left out."""
    for name, one in resolved(schema).get("properties", {}).items():
        path = f"{prefix}{name}"
        yield path
        if path != "settings" and not path.endswith("resources"):
            yield from names(one, f"{path}.")


def has(values, path):
    for name in path.split("."):
        if not isinstance(values, dict) or name not in values:
            return False
        values = values[name]
    return True


def test_every_name_of_the_schema_has_a_default():
    # `global` is Helm's own.
    missing = [path for path in names(SCHEMA) if path != "global" and not has(VALUES, path)]
    assert not missing


def test_maps_without_free_names_refuse_others():
    for path, one in [("", SCHEMA), *((name, part) for name, part in SCHEMA["properties"].items())]:
        if "properties" in resolved(one):
            assert resolved(one)["additionalProperties"] is False, path


def test_values_of_the_readme_exist():
    table = README.split("## Values")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.*?) \|", table, re.MULTILINE)[2:]
    assert len(rows) >= 20
    for row in rows:
        first = None
        for path in re.findall(r"`([^`]+)`", row):
            path = f"{first.rsplit('.', 1)[0]}{path}" if path.startswith(".") else path
            first = first or path
            assert has(VALUES, path.removesuffix(".*")), path


@pytest.mark.parametrize("sets", ["platform.kind=scale", "mode=apart"])
def test_the_example_of_the_readme_renders(tmp_path, sets):
    (block,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    values = tmp_path / "values.yaml"
    values.write_text(block)
    made = helm("template", RELEASE, CHART, "--namespace", NAMESPACE, "--values", values, "--set", sets)
    assert made.returncode == 0, made.stderr
    assert of_kind([one for one in yaml.safe_load_all(made.stdout) if one], "ServiceMonitor")


def test_the_command_of_the_readme_renders():
    (block,) = re.findall(r"```sh\nhelm install (.*?)```", README, re.DOTALL)
    words = block.replace("\\\n", " ").split()
    assert words[1] == "helm/connection-tracker"
    words[1] = CHART
    made = helm("template", *[word for word in words if word != "--create-namespace"])
    assert made.returncode == 0, made.stderr


def test_it_can_be_part_of_another_chart(tmp_path):
    outer = tmp_path / "outer"
    (outer / "charts").mkdir(parents=True)
    (outer / "charts" / "connection-tracker").symlink_to(CHART)
    (outer / "Chart.yaml").write_text("{apiVersion: v2, name: outer, version: 1.0.0}")
    (outer / "values.yaml").write_text(
        "{global: {region: here}, connection-tracker: {trial: {enabled: true}, auth: {allowUnauthenticated: true}}}"
    )
    made = helm("template", RELEASE, outer)
    assert made.returncode == 0, made.stderr
    assert f"name: {RELEASE}-connection-tracker\n" in made.stdout


def test_files_are_short_enough_to_be_read_at_once():
    for path in [*(CHART / "templates").iterdir(), CHART / "values.yaml", CHART / "README.md"]:
        lines = path.read_text().splitlines()
        assert len(lines) <= 250, path
        assert not [line for line in lines if line != line.rstrip() or "\t" in line], path
