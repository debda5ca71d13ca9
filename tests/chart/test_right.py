"""Rights: those of examples/kubernetes, in the namespaces of the sessions, and less where a role does less."""

import pytest
import yaml

from conftest import NAMESPACE, RELEASE, ROOT, environment, of_kind, render, services_pods

EXAMPLES = ROOT / "examples" / "kubernetes"
NAME = f"{RELEASE}-connection-tracker"


def example(file):
    """Rights of an example, as in `rights`."""
    objects = list(yaml.safe_load_all((EXAMPLES / file).read_text()))
    return rights([one for one in objects if one["kind"] in ("Role", "ClusterRole")])


def rights(roles):
    """Every (group, resource, verb) that roles give."""
    return {
        (group, resource, verb)
        for role in roles
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def roles(*arguments):
    return of_kind(render(*arguments), "Role")


@pytest.mark.parametrize(
    ("file", "arguments"),
    [
        ("role-custom-resource.yaml", ["trial"]),
        ("role-scale-subresource.yaml", ["scale-namespaces"]),
        ("role-scale.yaml", ["scale-namespaces", "--set", "platform.scaleSubresource=false"]),
    ],
)
def test_rights_together_are_those_of_the_examples(file, arguments):
    assert rights(roles(*arguments)) == example(file)


SCALE = ["--set", "platform.kind=scale"]
APART = [
    ("role-custom-resource.yaml", []),
    ("role-scale.yaml", SCALE),
    ("role-scale-subresource.yaml", [*SCALE, "--set", "platform.scaleSubresource=true"]),
]


@pytest.mark.parametrize(("file", "sets"), APART)
def test_apart_the_sweeper_has_those_rights_and_the_api_fewer(file, sets):
    found = {role["metadata"]["labels"]["app.kubernetes.io/component"]: role for role in roles("apart-scaled", *sets)}
    assert found.keys() == {"api", "sweeper"}
    assert rights([found["sweeper"]]) == example(file)
    api = rights([found["api"]])
    assert api < example(file)
    assert not {right for right in api if right[2] == "watch"}
    assert not {right for right in api if right[1].endswith("/status")}
    # Opens read and wakes write; a workload is found by its label, which is a list.
    verbs = {verb for group, _, verb in api if group != "events.k8s.io"}
    assert verbs == ({"get", "list", "patch"} if sets else {"get", "patch"})


def test_rights_follow_what_is_configured():
    without_events = rights(roles("trial", "--set", "platform.events=false"))
    assert not {right for right in without_events if right[0] == "events.k8s.io"}
    without_activity = rights(roles("trial", "--set", "settings.KUBERNETES_ACTIVITY_PATH="))
    assert not {right for right in without_activity if right[1].endswith("/status")}
    assert {
        right[1] for right in rights(roles("scale-namespaces", "--set", "settings.SCALE_WORKLOADS=deployments"))
    } == {
        "deployments",
        "deployments/scale",
        "events",
    }
    other = rights(roles("secret-tls", "--set", "platform.resource.group=example.org,platform.resource.plural=desks"))
    assert ("example.org", "desks", "patch") in other and ("example.org", "desks/status", "patch") in other


def test_nothing_is_ever_created_or_deleted_but_events_and_reviews(objects):
    for right in rights(of_kind(objects, "Role", "ClusterRole")):
        assert right[2] in ("get", "list", "watch", "patch") or right in {
            ("events.k8s.io", "events", "create"),
            ("authentication.k8s.io", "tokenreviews", "create"),
        }
        assert "*" not in right


def test_roles_are_in_each_namespace_of_the_sessions():
    assert [role["metadata"]["namespace"] for role in roles("scale-namespaces")] == ["team-a", "team-b"]
    assert [role["metadata"]["namespace"] for role in roles("trial")] == [NAMESPACE]


def test_bindings_are_to_accounts_that_pods_have(objects):
    accounts = {(NAMESPACE, pod["spec"]["serviceAccountName"]): pod for _, pod in services_pods(objects)}
    given = {
        (one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"])
        for one in of_kind(objects, "Role", "ClusterRole")
    }
    bindings = of_kind(objects, "RoleBinding", "ClusterRoleBinding")
    assert len(bindings) == len(given)
    for binding in bindings:
        reference = binding["roleRef"]
        assert (reference["kind"], binding["metadata"].get("namespace"), reference["name"]) in given
        for subject in binding["subjects"]:
            pod = accounts[subject["namespace"], subject["name"]]
            component = binding["metadata"]["labels"].get("app.kubernetes.io/component")
            if component:
                assert pod["metadata"]["labels"]["app.kubernetes.io/component"] == component


@pytest.mark.parametrize(("name", "accounts"), [("secret-tls", [NAME]), ("apart-scaled", [f"{NAME}-api"])])
def test_reviews_of_tokens_are_for_what_serves_the_api(name, accounts):
    objects = render(name)
    assert rights(of_kind(objects, "ClusterRole")) == example("token-review.yaml")
    (binding,) = of_kind(objects, "ClusterRoleBinding")
    assert [subject["name"] for subject in binding["subjects"]] == accounts


@pytest.mark.parametrize("name", ["trial", "external-single", "scale-namespaces", "strict"])
def test_nothing_is_for_the_whole_cluster_without_reviews(name):
    assert not of_kind(render(name), "ClusterRole", "ClusterRoleBinding")


def test_pods_have_a_token_where_their_account_is_used():
    def mounts(*arguments):
        return services_pods(render(*arguments))[0][1]["spec"]["automountServiceAccountToken"]

    assert mounts("trial") is True
    for sets in ("platform.kubeconfigSecret.name=tracker-far", "settings.KUBERNETES_URL=http://simulator"):
        assert mounts("secret-tls", "--set", sets) is False
        assert not of_kind(render("secret-tls", "--set", sets), "Role", "RoleBinding", "ClusterRole")


def test_accounts_can_be_those_of_others():
    objects = render("strict")
    assert not of_kind(objects, "ServiceAccount", "Role", "RoleBinding")
    (pod,) = [pod for _, pod in services_pods(objects)]
    assert pod["spec"]["serviceAccountName"] == "tracker-account"
    assert "TRACKER_REDIS_URL" in environment(pod)
