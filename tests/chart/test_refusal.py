"""What cannot work is refused with a sentence that says what to set; the notes say what to do next."""

import re

import pytest

from conftest import CHART, NAMESPACE, RELEASE, VALUES, helm, refusal, render

URL = 'redis.url="redis://redis"'
REFUSED = [
    (None, [], "nothing says where redis is: set redis.url or redis.existingSecret.name, or trial.enabled=true"),
    (None, [URL], "nothing says where postgres is: set postgres.url or postgres.existingSecret.name"),
    ("external-single", ['redis.existingSecret.name="x"'], "redis.url and redis.existingSecret.name are both set"),
    ("external-single", ['postgres.existingSecret.name="x"'], "postgres.url and postgres.existingSecret.name are both"),
    ("trial", [URL], "trial.enabled brings its own servers, and redis is set too"),
    ("trial", ['postgres.existingSecret.name="x"'], "trial.enabled brings its own servers, and postgres is set too"),
    ("trial", ["auth.allowUnauthenticated=false"], "nothing says who may call: set auth.tokensSecret.name"),
    ("trial", ['auth.tokensSecret.name="x"'], "contradict each other: keep one of them"),
    ("trial", ['auth.tokenReviewAudience="x"'], "auth.tokenReviewAudience is set, but nothing says what accounts may"),
    ("trial", ["platform.scaleSubresource=true"], "platform.scaleSubresource is for workloads"),
    ("trial", ['platform.resource.group="example.org"'], "platform.installDefinition brings the definition of stream"),
    ("trial", ['platform.kind="scale"'], "platform.installDefinition brings the definition of stream"),
    (
        "trial",
        ['platform.kubeconfigSecret.name="x"', 'settings.KUBERNETES_URL="http://x"'],
        "platform.kubeconfigSecret.name and settings.KUBERNETES_URL both say where the API server is",
    ),
    ("trial", ["terminationGracePeriodSeconds=10"], "terminationGracePeriodSeconds=10 is less than the 30"),
    ("trial", ["drain.timeout=60", "terminationGracePeriodSeconds=120"], "=120 is less than the 130"),
    ("apart-scaled", ["autoscaling.minReplicas=9"], "autoscaling.minReplicas is above autoscaling.maxReplicas"),
    ("apart-scaled", ["networkPolicy.monitoring=[]"], "networkPolicy.monitoring lets nobody scrape"),
    ("trial", ["serviceAccount.create=false"], "set serviceAccount.names.all to the account that exists"),
    (
        "apart-scaled",
        ["serviceAccount.create=false", 'serviceAccount.names.api="x"'],
        "set serviceAccount.names.sweeper to the account that exists",
    ),
    ("trial", ['extraEnv=[{"name": "TRACKER_SESSION_WINDOW", "value": "1m"}]'], "set it as settings.SESSION_WINDOW"),
]


@pytest.mark.parametrize(("name", "sets", "sentence"), REFUSED)
def test_it_is_refused(name, sets, sentence):
    assert sentence in refusal(name, *sets)


def test_every_sentence_is_tried():
    source = (CHART / "templates" / "_validate.tpl").read_text()
    sentences = re.findall(r'fail (?:\(printf )?"([^"]+)"', source)
    assert len(sentences) == source.count("fail ")
    said = "\n".join(refusal(name, *sets) for name, sets, _ in REFUSED)
    for sentence in sentences:
        pattern = re.escape(sentence).replace("%s", ".*").replace("%d", ".*")
        assert re.search(pattern, said), sentence


def notes(name, *sets):
    flags = [word for one in sets for word in ("--set", one)]
    values = VALUES / f"{name}.yaml"
    made = helm("install", RELEASE, CHART, "--dry-run=client", "--namespace", NAMESPACE, "--values", values, *flags)
    assert made.returncode == 0, made.stderr
    return made.stdout.split("NOTES:\n")[1]


def test_notes_say_where_the_api_is_and_how_to_arm_it_and_take_it_away():
    text = notes("trial")
    assert f"http://{RELEASE}-connection-tracker.{NAMESPACE}.svc\n" in text
    assert "IT ONLY OBSERVES" in text and "would_sleep_now" in text
    assert '"mode": "act"' in text and "/v1/admin/mode" in text
    release, uninstall = text.index("connection-tracker release\n"), text.index(f"uninstall {RELEASE}")
    assert release < uninstall
    assert "are for a trial" in text and "nobody is asked who they are" in text
    assert "Authorization" not in text


def test_notes_fit_the_values():
    text = notes("apart-scaled", "service.port=8000")
    assert f"exec deployment/{RELEASE}-connection-tracker-sweeper -- connection-tracker release" in text
    assert ".svc:8000\n" in text and "8080:8000" in text
    assert "Authorization: Bearer $TOKEN" in text
    assert "WARNING" not in text
    assert "egress.extra" in notes("secret-tls", "settings.KUBERNETES_PROBE=url")
    assert "migrate.enabled is false" in notes("strict")


def test_passwords_are_not_in_the_notes():
    assert "password" not in notes("external-single")


def test_the_image_is_by_digest_where_one_is_given():
    (deployment,) = [one for one in render("strict") if one["kind"] == "Deployment"]
    image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == "registry.example.org/connection-tracker@sha256:" + "0123456789abcdef" * 4
