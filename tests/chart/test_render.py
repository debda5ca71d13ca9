"""Objects fit together, and pods are what a strict cluster lets in."""

import shutil

import pytest

from conftest import (
    CHART,
    OUTSIDE,
    RELEASE,
    SETS,
    environment,
    named,
    of_kind,
    pods,
    refusal,
    render,
    selects,
    services_pods,
)

NAME = f"{RELEASE}-connection-tracker"
# Of the restricted profile.
VOLUMES = {"configMap", "secret", "emptyDir", "projected", "persistentVolumeClaim"}


def test_pods_hold_to_the_restricted_profile(objects):
    for _, template in pods(objects):
        spec = template["spec"]
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for volume in spec.get("volumes", []):
            assert (volume.keys() - {"name"}) <= VOLUMES, volume
        for container in spec["containers"] + spec.get("initContainers", []):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert "privileged" not in context


def test_the_service_runs_as_the_user_of_its_image(objects):
    for _, template in services_pods(objects):
        context = template["spec"]["securityContext"]
        assert (context["runAsUser"], context["runAsGroup"]) == (65532, 65532)


def test_memory_is_kept_and_the_processor_not_limited(objects):
    for _, template in pods(objects):
        resources = template["spec"]["containers"][0]["resources"]
        assert resources["requests"]["memory"] == resources["limits"]["memory"]
        assert "cpu" not in resources["limits"]


def test_probes_ask_the_operations_port(objects):
    for _, template in services_pods(objects):
        (container,) = template["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert ports["operations"] == 8081
        paths = {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
        for probe, path in paths.items():
            assert container[probe]["httpGet"] == {"path": path, "port": "operations"}


def test_selectors_match_the_pods_they_are_for(objects):
    for one, template in pods(objects):
        if one["kind"] != "Job":
            assert selects(one["spec"]["selector"]["matchLabels"], template)
            others = [pod for other, pod in pods(objects) if other is not one]
            assert not any(selects(one["spec"]["selector"]["matchLabels"], pod) for pod in others)
        for spread in template["spec"].get("topologySpreadConstraints", []):
            assert spread["whenUnsatisfiable"] == "ScheduleAnyway"
            assert selects(spread["labelSelector"]["matchLabels"], template)


def test_services_select_pods_that_have_their_ports(objects):
    for service in of_kind(objects, "Service"):
        selected = [pod for _, pod in pods(objects) if selects(service["spec"]["selector"], pod)]
        assert selected, service["metadata"]["name"]
        for port in service["spec"]["ports"]:
            for pod in selected:
                assert port["targetPort"] in [one["name"] for one in pod["spec"]["containers"][0]["ports"]]


def test_the_api_is_on_port_80_and_operations_are_not_beside_it(objects):
    api = next(one for one in of_kind(objects, "Service") if one["spec"]["ports"][0]["name"] == "http")
    assert [(port["port"], port["targetPort"]) for port in api["spec"]["ports"]] == [(80, "http")]


def test_budgets_and_autoscalers_are_for_deployments_of_several(objects):
    deployments = {one["metadata"]["name"]: one for one in of_kind(objects, "Deployment")}
    scaled = {one["spec"]["scaleTargetRef"]["name"] for one in of_kind(objects, "HorizontalPodAutoscaler")}
    assert scaled <= deployments.keys()
    budgets = {one["metadata"]["name"]: one for one in of_kind(objects, "PodDisruptionBudget")}
    for name, deployment in deployments.items():
        # A number in the manifest would undo what was scaled.
        assert ("replicas" in deployment["spec"]) is (name not in scaled)
        assert (name in budgets) is (deployment["spec"].get("replicas", 2) > 1)
        if name in budgets:
            assert selects(budgets[name]["spec"]["selector"]["matchLabels"], deployment["spec"]["template"])
            assert budgets[name]["spec"]["maxUnavailable"] == 1


def test_what_pods_refer_to_is_there_before_them(objects):
    here = {(one["kind"], one["metadata"]["name"]): one for one in objects}
    for one, template in pods(objects):
        spec, needed = template["spec"], set()
        for variable in environment(template).values():
            if isinstance(variable, dict):
                needed.add(("Secret", variable["secretKeyRef"]["name"], variable["secretKeyRef"]["key"]))
        for volume in spec.get("volumes", []):
            if "secret" in volume:
                needed.add(("Secret", volume["secret"]["secretName"], None))
            if "configMap" in volume:
                needed.add(("ConfigMap", volume["configMap"]["name"], None))
        if "serviceAccountName" in spec:
            needed.add(("ServiceAccount", spec["serviceAccountName"], None))
        for kind, name, key in needed:
            if (kind, name) in OUTSIDE:
                continue
            found = here[kind, name]
            assert key is None or key in found["data"]
            # A hook sees nothing of its release, only hooks with a lower weight.
            assert hook(found) < hook(one) if hook(one) is not None else hook(found) is None


def hook(one):
    annotations = one["metadata"].get("annotations", {})
    if "helm.sh/hook" not in annotations:
        return None
    assert annotations["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"
    return int(annotations["helm.sh/hook-weight"])


@pytest.mark.parametrize("name", SETS)
def test_the_schema_is_made_before_the_pods_or_beside_them_in_a_trial(name):
    jobs = of_kind(render(name), "Job")
    assert len(jobs) == (0 if name == "strict" else 1)
    for job in jobs:
        assert job["spec"]["template"]["spec"]["containers"][0]["args"] == ["migrate"]
        assert job["spec"]["template"]["spec"]["automountServiceAccountToken"] is False
        # After the installation, `--wait` would wait for pods that wait for the schema.
        assert (hook(job) is None) is (name == "trial")
        assert job["metadata"]["name"] == f"{NAME}-migrate" + ("-1" if name == "trial" else "")


def test_the_time_to_stop_covers_what_a_stop_takes(objects):
    for _, template in services_pods(objects):
        (container,) = template["spec"]["containers"]
        sleep = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        drain = int(environment(template)["TRACKER_HTTP_DRAIN"].removesuffix("s"))
        # Requests, then the tasks behind them, each as long as the drain.
        assert template["spec"]["terminationGracePeriodSeconds"] >= sleep + 2 * drain + 5
        assert bool(sleep) is ("TRACKER_HTTP_ADDRESS" in environment(template))


def test_the_time_to_stop_is_computed_and_may_only_be_longer():
    def grace(objects):
        return services_pods(objects)[0][1]["spec"]["terminationGracePeriodSeconds"]

    assert grace(render("trial")) == 30
    assert grace(render("apart-scaled")) == 10 + 2 * 20 + 5
    assert grace(render("trial", "--set", "drain.preStop=0")) == 25
    assert grace(render("trial", "--set", "terminationGracePeriodSeconds=31")) == 31
    assert "less than the 30" in refusal("trial", "terminationGracePeriodSeconds=29")
    without = services_pods(render("trial", "--set", "drain.preStop=0"))[0][1]
    assert "lifecycle" not in without["spec"]["containers"][0]


def test_a_url_that_changes_rolls_the_pods():
    def annotations(*sets):
        return services_pods(render("external-single", *sets))[0][1]["metadata"]["annotations"]

    before = annotations()
    assert before == annotations()
    assert before != annotations("--set", "postgres.url=postgres://elsewhere/tracker")
    assert before == annotations("--set", "log.directives=debug"), "the log is followed without a restart"


@pytest.mark.parametrize("name", SETS)
def test_an_upgrade_keeps_names_and_selectors(name, tmp_path):
    later = tmp_path / "connection-tracker"
    shutil.copytree(CHART, later)
    text = (later / "Chart.yaml").read_text().replace(" 0.1.0", " 9.8.7")
    (later / "Chart.yaml").write_text(text)
    assert kept(render(name)) == kept(render(name, "--is-upgrade", chart=later))
    images = {pod["spec"]["containers"][0]["image"] for _, pod in services_pods(render(name, chart=later))}
    assert name == "strict" or images == {"connection-tracker:9.8.7"}


def kept(objects):
    """What cannot change in place, or would lose pods when it did."""
    found = {}
    for one in objects:
        spec = one.get("spec", {})
        fields = ("selector", "podSelector", "serviceName", "volumeClaimTemplates", "clusterIP", "scaleTargetRef")
        found[one["kind"], one["metadata"]["name"]] = {field: spec.get(field) for field in fields}
    return found


def test_the_servers_of_a_trial_keep_what_they_are_given():
    redis = named(render("trial"), "StatefulSet", f"{NAME}-trial-redis")
    script = redis["spec"]["template"]["spec"]["containers"][0]["command"][-1]
    assert "--appendonly yes --appendfsync everysec" in script and "--maxmemory-policy noeviction" in script
    # The shell ends its document at a line of its own, without a space before it.
    assert script.splitlines()[-2:] == ["requirepass $REDISCLI_AUTH", "END"]
    for one in of_kind(render("trial"), "StatefulSet"):
        (claim,) = one["spec"]["volumeClaimTemplates"]
        mounts = one["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
        assert claim["metadata"]["name"] in [mount["name"] for mount in mounts]
