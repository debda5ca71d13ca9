"""Settings: every one of docs/configuration.md can be given, nothing else is, and no secret is among them."""

import base64
import json
from urllib.parse import urlsplit

import pytest

from conftest import CHART, NAMESPACE, SETS, environment, of_kind, pods, setting_names, refusal, render, services_pods

SCHEMA = json.loads((CHART / "values.schema.json").read_text())["properties"]["settings"]["properties"]
# Being added to the service; the chart sets it always.
ROLE = "TRACKER_SERVE_ROLE"
REFERENCE = object()
# Settings that are values of the chart: how to give one, and what the pods then have.
OWN = {
    ROLE: ("external-single", [], "all"),
    "TRACKER_HTTP_ADDRESS": ("external-single", [], "0.0.0.0:8080"),
    "TRACKER_HTTP_OPERATIONS_ADDRESS": ("external-single", [], "0.0.0.0:8081"),
    "TRACKER_HTTP_ALLOW_UNAUTHENTICATED": ("external-single", [], "true"),
    "TRACKER_HTTP_DRAIN": ("external-single", ["drain.timeout=7"], "7s"),
    "TRACKER_AUTH_TOKENS_FILE": ("secret-tls", [], "/etc/connection-tracker/tokens/tokens"),
    "TRACKER_AUTH_TOKEN_REVIEW_AUDIENCE": ("secret-tls", ["auth.tokenReviewAudience=word"], "word"),
    "TRACKER_REDIS_URL": ("secret-tls", [], REFERENCE),
    "TRACKER_POSTGRES_URL": ("secret-tls", [], REFERENCE),
    "TRACKER_KUBERNETES_PLATFORM": ("scale-namespaces", [], "scale"),
    "TRACKER_KUBERNETES_KUBECONFIG": (
        "secret-tls",
        ["platform.kubeconfigSecret.name=far"],
        "/etc/connection-tracker/kubeconfig/kubeconfig",
    ),
    "TRACKER_KUBERNETES_NAMESPACES": ("scale-namespaces", [], "team-a,team-b"),
    "TRACKER_KUBERNETES_GROUP": ("secret-tls", ["platform.resource.group=example.org"], "example.org"),
    "TRACKER_KUBERNETES_VERSION": ("secret-tls", ["platform.resource.version=v2"], "v2"),
    "TRACKER_KUBERNETES_KIND": ("secret-tls", ["platform.resource.kind=Desk"], "Desk"),
    "TRACKER_KUBERNETES_PLURAL": ("secret-tls", ["platform.resource.plural=desks"], "desks"),
    "TRACKER_KUBERNETES_EVENTS": ("secret-tls", ["platform.events=false"], "false"),
    "TRACKER_SCALE_SUBRESOURCE": ("scale-namespaces", [], "true"),
    "TRACKER_TELEMETRY_LOG_FILE": ("secret-tls", [], "/etc/connection-tracker/log/directives"),
}


def test_every_setting_of_the_readme_is_a_setting_or_a_value_and_none_else():
    names = set(setting_names())
    assert len(names) > 70
    settings = {f"TRACKER_{name}" for name in SCHEMA}
    assert not settings & OWN.keys(), "one way to give each"
    assert settings <= names, f"settings the service does not know: {settings - names}"
    assert OWN.keys() - {ROLE} <= names
    assert names <= settings | OWN.keys(), f"settings that cannot be given: {names - settings - OWN.keys()}"


def test_pods_have_no_variable_that_the_readme_does_not_name(objects):
    for _, template in pods(objects):
        given = {name for name in environment(template) if name.startswith("TRACKER_")}
        assert given <= {*setting_names(), ROLE}


def sample(schema):
    if "enum" in schema:
        return schema["enum"][-1]
    if schema.get("$ref") == "#/$defs/duration":
        return "7s"
    if isinstance(schema["type"], list):
        return True
    return {"integer": 1234567, "boolean": True}.get(schema["type"], "x.y")


def test_each_setting_arrives_as_it_was_written():
    given = {name: sample(schema) for name, schema in SCHEMA.items()}
    objects = render("external-single", "--set-json", f"settings={json.dumps(given)}")
    (pod,) = [template for _, template in services_pods(objects)]
    have = environment(pod)
    for name, value in given.items():
        assert have[f"TRACKER_{name}"] == ("true" if value is True else str(value))


@pytest.mark.parametrize("name", OWN)
def test_each_value_arrives(name):
    values, sets, expected = OWN[name]
    objects = render(values, *[word for one in sets for word in ("--set", one)])
    have = environment(services_pods(objects)[0][1])[name]
    assert isinstance(have, dict) if expected is REFERENCE else have == expected


def test_empty_values_set_nothing(objects):
    for _, template in pods(objects):
        assert "" not in environment(template).values(), "to the service that is a value"


def test_roles_follow_the_mode():
    def roles(name):
        return [environment(pod)[ROLE] for _, pod in services_pods(render(name))]

    assert roles("trial") == ["all"]
    assert roles("apart-scaled") == ["api", "sweeper"]
    sweeper = environment(services_pods(render("apart-scaled"))[1][1])
    assert not {name for name in sweeper if name.startswith(("TRACKER_AUTH", "TRACKER_HTTP_ADDRESS"))}


def test_the_release_namespace_is_looked_at_where_none_is_named():
    have = environment(services_pods(render("trial"))[0][1])
    assert have["TRACKER_KUBERNETES_NAMESPACES"] == NAMESPACE


def test_variables_of_other_services_do_not_become_settings(objects):
    for _, template in pods(objects):
        assert template["spec"]["enableServiceLinks"] is False


def secrets(objects):
    """Passwords that the Secrets of a rendering hold, those in URLs too."""
    for one in of_kind(objects, "Secret"):
        for key, value in one["data"].items():
            text = base64.b64decode(value).decode()
            yield urlsplit(text).password if key.endswith("url") else text


@pytest.mark.parametrize("name", SETS)
def test_passwords_are_in_secrets_alone(name):
    objects = render(name)
    others = json.dumps([one for one in objects if one["kind"] != "Secret"])
    found = list(secrets(objects))
    assert bool(found) is (name in ("trial", "external-single", "sentinel", "cluster"))
    for password in found:
        assert password not in others and base64.b64encode(password.encode()).decode() not in others
    for _, template in pods(objects):
        for variable, value in environment(template).items():
            secret = variable in ("TRACKER_REDIS_URL", "TRACKER_POSTGRES_URL") or "PASSWORD" in variable
            assert isinstance(value, dict) or not secret


def test_typing_errors_are_refused_by_name():
    assert "'SESION_WINDOW' not allowed" in refusal("trial", 'settings.SESION_WINDOW="1m"')
    assert "'REDIS_URL' not allowed" in refusal("trial", 'settings.REDIS_URL="redis://here"')
    assert "'replica' not allowed" in refusal("trial", "together.replica=3")
    assert "'imag' not allowed" in refusal("trial", 'imag="x"')
    assert "/settings/SESSION_WINDOW" in refusal("trial", "settings.SESSION_WINDOW=60")
    assert "/redis/url" in refusal("external-single", 'redis.url="http://here"')
