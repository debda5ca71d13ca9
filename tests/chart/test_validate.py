"""Every rendered object is one that an API server takes."""

import re

import kubernetes_validate
import pytest
import yaml

from conftest import CHART, NAMESPACE, RELEASE, ROOT, SETS, VALUES, helm, named, of_kind, render

VERSIONS = ["1.30", "1.34"]
# Kinds that no schema is bundled for; each has a test of its own below.
FOREIGN = {"ServiceMonitor", "PrometheusRule"}
# Their names are segments of a path, not of a domain.
LONG_NAMED = {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}
CLUSTER_WIDE = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}


@pytest.mark.parametrize("name", SETS)
def test_lint_has_nothing_to_say(name):
    made = helm("lint", "--strict", CHART, "--namespace", NAMESPACE, "--values", VALUES / f"{name}.yaml")
    assert made.returncode == 0, made.stdout + made.stderr


@pytest.mark.parametrize("version", VERSIONS)
def test_objects_are_valid(objects, version):
    for one in objects:
        if one["kind"] not in FOREIGN:
            kubernetes_validate.validate(one, version, strict=True)


def test_names_are_unique_short_and_in_a_namespace(objects):
    seen = set()
    for one in objects:
        kind, metadata = one["kind"], one["metadata"]
        assert ("namespace" in metadata) is (kind not in CLUSTER_WIDE), metadata["name"]
        key = (kind, metadata.get("namespace"), metadata["name"])
        assert key not in seen, key
        seen.add(key)
        assert len(metadata["name"]) <= (253 if kind in LONG_NAMED else 63)


@pytest.mark.parametrize("name", SETS)
def test_names_of_a_long_release_are_short_enough(name):
    release = "r" * 53
    made = helm("template", release, CHART, "--values", VALUES / f"{name}.yaml")
    assert made.returncode == 0, made.stderr
    for one in filter(None, yaml.safe_load_all(made.stdout)):
        # A Job adds to the names of its pods.
        longest = 253 if one["kind"] in LONG_NAMED else 63 - 6
        assert len(one["metadata"]["name"]) <= longest, one["metadata"]["name"]
        for value in one["metadata"]["labels"].values():
            assert len(value) <= 63, value


def test_labels_are_on_every_object(objects):
    for one in objects:
        labels = one["metadata"]["labels"]
        assert labels["app.kubernetes.io/instance"] == RELEASE
        assert {"app.kubernetes.io/name", "app.kubernetes.io/managed-by", "helm.sh/chart"} <= labels.keys()


def test_service_monitor_finds_the_port_of_one_service():
    objects = render("apart-scaled")
    (monitor,) = of_kind(objects, "ServiceMonitor")
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    assert monitor["spec"].keys() == {"selector", "endpoints"}
    wanted = monitor["spec"]["selector"]["matchLabels"]
    found = [one for one in of_kind(objects, "Service") if wanted.items() <= one["metadata"]["labels"].items()]
    assert [one["metadata"]["name"] for one in found] == [f"{RELEASE}-connection-tracker-operations"]
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["port"] in [port["name"] for port in found[0]["spec"]["ports"]]
    assert monitor["metadata"]["labels"]["release"] == "prometheus"


def metrics():
    """Labels of each metric of docs/metrics.md."""
    table = (ROOT / "docs" / "metrics.md").read_text().split("<!-- metrics -->")[1]
    rows = re.findall(r"^\| `([a-z_]+)` \| \w+ \| (.*?) \| [^|]*\|$", table, re.MULTILINE)
    return {name: labels for name, labels in rows}


def test_alerts_ask_for_metrics_that_exist_and_name_their_section():
    (rule,) = of_kind(render("apart-scaled"), "PrometheusRule")
    known = metrics()
    sections = re.findall(r"^## (.+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)
    (group,) = rule["spec"]["groups"]
    assert len(group["rules"]) >= 8
    alerts = [one["alert"] for one in group["rules"]]
    assert len(alerts) == len(set(alerts))
    for one in group["rules"]:
        expression = one["expr"]
        for opening, closing in ("()", "{}", "[]"):
            assert expression.count(opening) == expression.count(closing), expression
        (name,) = re.findall(r"tracker_[a-z_]+", expression)
        assert name in known, f"{one['alert']}: no metric {name}"
        asked = re.findall(r"(\w+)=~?\"([^\"]*)\"", expression)
        assert ("service", f"{RELEASE}-connection-tracker-operations") in asked
        for label, values in asked:
            if label not in ("namespace", "service"):
                assert f"`{label}`" in known[name]
                assert all(f"`{value}`" in known[name] for value in values.split("|")), expression
        assert one["annotations"]["summary"] in sections, one["annotations"]["summary"]
        if "for" in one:
            assert re.fullmatch("[1-9][0-9]*m", one["for"])


def test_the_definition_is_the_example_and_stays():
    example = yaml.safe_load((ROOT / "examples" / "kubernetes" / "session-definition.yaml").read_text())
    definition = named(render("trial"), "CustomResourceDefinition", "sessions.stream.space")
    assert definition["spec"] == example["spec"]
    assert definition["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_versions_are_those_of_the_service():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    version = re.search(r'^version = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
    assert chart["version"] == chart["appVersion"] == version
