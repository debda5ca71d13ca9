"""Policies: who reaches the pods, and where these may go."""

import pytest

from conftest import RELEASE, named, of_kind, pods, refusal, render, selects

NAME = f"{RELEASE}-connection-tracker"


def policy(name, suffix="", *arguments):
    return named(render(name, *arguments), "NetworkPolicy", NAME + suffix)["spec"]


def ports(rules):
    return [port["port"] for rule in rules for port in rule["ports"]]


def test_every_pod_has_one_policy_for_both_ways(objects):
    policies = of_kind(objects, "NetworkPolicy")
    for one, template in pods(objects):
        found = [each for each in policies if selects(each["spec"]["podSelector"]["matchLabels"], template)]
        assert len(found) == 1, one["metadata"]["name"]
        assert found[0]["spec"]["policyTypes"] == ["Ingress", "Egress"]


def test_ports_of_ingress_exist_and_peers_are_named(objects):
    for one in of_kind(objects, "NetworkPolicy"):
        selector = one["spec"]["podSelector"]["matchLabels"]
        (template,) = [pod for _, pod in pods(objects) if selects(selector, pod)]
        listens = template["spec"]["containers"][0].get("ports", [])
        known = {port["name"] for port in listens} | {port["containerPort"] for port in listens}
        for rule in one["spec"].get("ingress", []):
            # No peers would be everybody.
            assert rule["from"], one["metadata"]["name"]
            assert {port["port"] for port in rule["ports"]} <= known


def test_by_default_the_api_is_for_the_namespace_and_metrics_for_nobody():
    (rule,) = policy("trial")["ingress"]
    assert ports([rule]) == ["http"]
    assert rule["from"] == [{"podSelector": {}}]


def test_gateways_reach_the_api_and_monitoring_the_operations():
    api, operations = policy("apart-scaled", "-api")["ingress"]
    assert (ports([api]), ports([operations])) == (["http"], ["operations"])
    assert api["from"][0]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "gateways"}
    assert operations["from"][0]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "monitoring"}


def test_nobody_calls_the_sweeper():
    assert ports(policy("apart-scaled", "-sweeper")["ingress"]) == ["operations"]


def test_pods_may_go_to_names_redis_postgres_and_the_api_server():
    egress = policy("scale-namespaces")["egress"]
    assert ports(egress) == [53, 53, 6379, 5432, 443, 6443]
    assert not any("to" in rule for rule in egress), "addresses are not known"
    redis = policy("secret-tls")["egress"][1]
    assert ports([redis]) == [6380]
    assert redis["to"] == [{"ipBlock": {"cidr": "10.1.0.0/16"}}]


def test_more_can_be_let_out():
    probe = 'networkPolicy.egress.extra=[{"ports": [{"protocol": "TCP", "port": 3000}]}]'
    assert ports(policy("secret-tls", "", "--set-json", probe)["egress"])[-1] == 3000


def test_the_migration_goes_to_postgres_alone():
    spec = policy("secret-tls", "-migrate")
    assert "ingress" not in spec
    assert ports(spec["egress"]) == [53, 53, 5432]


@pytest.mark.parametrize(("store", "port", "callers"), [("redis", 6379, 1), ("postgres", 5432, 2)])
def test_servers_of_a_trial_are_for_the_service_and_call_nobody(store, port, callers):
    objects = render("trial")
    spec = policy("trial", f"-trial-{store}")
    assert "egress" not in spec
    (rule,) = spec["ingress"]
    assert ports([rule]) == [port]
    let_in = [peer["podSelector"]["matchLabels"] for peer in rule["from"]]
    assert len(let_in) == callers
    for selector in let_in:
        assert any(selects(selector, pod) for _, pod in pods(objects))
    # And the way out leads there and nowhere else on this port.
    (way,) = [rule for rule in policy("trial")["egress"] if ports([rule]) == [port]]
    (server,) = [pod for _, pod in pods(objects) if selects(way["to"][0]["podSelector"]["matchLabels"], pod)]
    assert server["spec"]["containers"][0]["name"] == store


def test_policies_can_be_left_to_others():
    assert not of_kind(render("trial", "--set", "networkPolicy.enabled=false"), "NetworkPolicy")


def test_an_empty_list_of_gateways_is_refused_since_it_would_be_everybody():
    assert "/networkPolicy/gateways" in refusal("trial", "networkPolicy.gateways=[]")
