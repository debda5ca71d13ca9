"""Renders the chart with Helm; each rendering is made once for all tests."""

import functools
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "connection-tracker"
VALUES = Path(__file__).parent / "values"
SETS = sorted(path.stem for path in VALUES.glob("*.yaml"))
RELEASE, NAMESPACE = "shop", "tracker"
# Objects that a release does not bring: Secrets and accounts that the value sets name.
OUTSIDE = {
    ("Secret", "tracker-redis"),
    ("Secret", "tracker-postgres"),
    ("Secret", "tracker-ca"),
    ("Secret", "tracker-tokens"),
    ("ServiceAccount", "tracker-account"),
}


def helm(*arguments, **variables):
    """Runs Helm; the caller judges how it ended."""
    command = [os.environ.get("HELM", "helm"), *map(str, arguments)]
    environment = {**os.environ, **variables}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@functools.cache
def render(name, *arguments, chart=CHART):
    """The objects of a value set, with further arguments such as --set."""
    values = ["--values", VALUES / f"{name}.yaml"] if name else []
    made = helm("template", RELEASE, chart, "--namespace", NAMESPACE, *values, *arguments)
    assert made.returncode == 0, made.stderr
    return [one for one in yaml.safe_load_all(made.stdout) if one]


def refusal(name, *sets):
    """Why a value set is refused with these further values."""
    flags = [word for one in sets for word in ("--set-json", one)]
    values = ["--values", VALUES / f"{name}.yaml"] if name else []
    made = helm("template", RELEASE, CHART, "--namespace", NAMESPACE, *values, *flags)
    assert made.returncode != 0, f"{name} {sets} is taken"
    return made.stderr


def of_kind(objects, *kinds):
    return [one for one in objects if one["kind"] in kinds]


def named(objects, kind, name):
    found = [one for one in of_kind(objects, kind) if one["metadata"]["name"] == name]
    assert len(found) == 1, f"{len(found)} objects {kind} {name}"
    return found[0]


def pods(objects):
    """Each workload with the template of its pods."""
    return [(one, one["spec"]["template"]) for one in of_kind(objects, "Deployment", "StatefulSet", "Job")]


def services_pods(objects):
    """Pods of the service itself: no servers of a trial, no migration."""
    return [(one, template) for one, template in pods(objects) if one["kind"] == "Deployment"]


def environment(template):
    """Variables of a pod's one container by name: the value, or where it is from."""
    (container,) = template["spec"]["containers"]
    listed = container.get("env", [])
    names = [one["name"] for one in listed]
    assert len(names) == len(set(names)), f"a variable is set twice: {names}"
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in listed}


def selects(selector, template):
    """Whether labels of a selector are all on a pod."""
    return selector.items() <= template["metadata"]["labels"].items()


def setting_names():
    """Every setting that docs/configuration.md names."""
    table = (ROOT / "docs" / "configuration.md").read_text().split("<!-- configuration -->")[1]
    return re.findall(r"^\| `(TRACKER_[A-Z_]+)` \|", table, re.MULTILINE)


@pytest.fixture(params=SETS)
def objects(request):
    return render(request.param)
