"""The passwords of a trial outlive an upgrade: the chart asks the cluster for its Secret. Here a server that knows the
kinds, one Secret and nothing else is the cluster."""

import base64
import contextlib
import http.server
import json
import re
import threading

import pytest
import yaml

from conftest import CHART, NAMESPACE, RELEASE, VALUES, helm, named, render

NAME = f"{RELEASE}-connection-tracker-trial"
PATH = f"/api/v1/namespaces/{NAMESPACE}/secrets/{NAME}"


def discovery(objects):
    """What a cluster says that knows the kinds of these objects."""
    groups = {}
    for one in objects:
        groups.setdefault(one["apiVersion"], set()).add(one["kind"])
    answers = {
        "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    }
    for version, kinds in groups.items():
        resources = []
        for kind in sorted(kinds):
            singular = kind.lower()
            plural = singular[:-1] + "ies" if singular.endswith("y") else singular + "s"
            scoped = {"namespaced": kind not in ("CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding")}
            resources.append({"name": plural, "singularName": singular, "kind": kind, "verbs": ["get"], **scoped})
        listed = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}
        answers[f"/apis/{version}" if "/" in version else f"/api/{version}"] = listed
        if "/" in version:
            each = {"groupVersion": version, "version": version.split("/")[1]}
            group = {"name": version.split("/")[0], "versions": [each], "preferredVersion": each}
            answers["/apis"]["groups"].append(group)
    return answers


@contextlib.contextmanager
def cluster(objects):
    """An API server with these answers by path; gives its address and the paths it was asked for."""
    asked, answers = [], {**discovery(render("trial")), **objects}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            path = self.path.split("?")[0]
            asked.append(path)
            found = answers.get(path)
            missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
            body = json.dumps(found or missing).encode()
            self.send_response(200 if found else 404)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def passwords(secret):
    """The two passwords, which must be those in the URLs beside them."""
    data = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
    redis, postgres = data["redis-password"], data["postgres-password"]
    assert data["redis-url"] == f"redis://:{redis}@{NAME}-redis:6379"
    assert data["postgres-url"] == f"postgres://tracker:{postgres}@{NAME}-postgres/tracker"
    return redis, postgres


@pytest.fixture
def rendered(tmp_path):
    """Renders the trial against a cluster."""

    def upgrade(address):
        # Through no proxy: the server is on this machine.
        made = helm(
            "template", RELEASE, CHART, "--namespace", NAMESPACE, "--values", VALUES / "trial.yaml",
            "--is-upgrade", "--dry-run=server", "--disable-openapi-validation", "--kube-apiserver", address,
            KUBECONFIG="/dev/null", HELM_CACHE_HOME=str(tmp_path), HOME=str(tmp_path), NO_PROXY="127.0.0.1",
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        return [one for one in yaml.safe_load_all(made.stdout) if one]

    return upgrade


def test_passwords_are_made_up_and_differ():
    first = passwords(named(render("trial"), "Secret", NAME))
    again = passwords(named(render("trial", "--is-upgrade"), "Secret", NAME))
    assert len({*first, *again}) == 4
    # What needs no escape in a URL or in a line of Redis' configuration.
    assert all(re.fullmatch("[A-Za-z0-9]{32}", one) for one in (*first, *again))


def test_an_upgrade_keeps_the_passwords_of_the_cluster(rendered):
    kept = named(render("trial"), "Secret", NAME)
    with cluster({PATH: kept}) as (address, asked):
        objects = rendered(address)
    assert PATH in asked
    assert named(objects, "Secret", NAME)["data"] == kept["data"]


def test_a_cluster_without_the_secret_gets_one(rendered):
    with cluster({}) as (address, asked):
        objects = rendered(address)
    assert PATH in asked
    assert passwords(named(objects, "Secret", NAME))


def test_the_secret_stays_with_the_volumes_it_opens():
    secret = named(render("trial"), "Secret", NAME)
    assert secret["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
