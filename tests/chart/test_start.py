"""The service starts with the variables that the chart gives it: none contradicts another, none is misspelt or misread."""

import os
import subprocess
import threading

import pytest
from conftest import SETS, of_kind, render

BINARY = os.environ.get("TRACKER_BINARY", "")
PATIENCE_S = 20


def variables(container, directory):
    """What the process would get, with files and servers of this machine in place of those of a cluster."""
    given = {"PATH": os.environ["PATH"], "TRACKER_TELEMETRY_FORMAT": "text"}
    for variable in container["env"]:
        given[variable["name"]] = variable.get("value", "")
    given["TRACKER_REDIS_URL"] = "redis://127.0.0.1:1"
    given["TRACKER_POSTGRES_URL"] = "postgres://127.0.0.1:1/none"
    given["TRACKER_KUBERNETES_URL"] = "http://127.0.0.1:1"
    given.pop("TRACKER_KUBERNETES_KUBECONFIG", None)
    for name in ("TRACKER_HTTP_ADDRESS", "TRACKER_HTTP_OPERATIONS_ADDRESS"):
        if name in given:
            # Every address, as in a pod: that is what authentication is asked for.
            given[name] = given[name].rsplit(":", 1)[0] + ":0"
    for name in ("TRACKER_AUTH_TOKENS_FILE", "TRACKER_TELEMETRY_LOG_FILE"):
        if name in given:
            file = directory / name
            # A file of tokens without a token is refused.
            file.write_text(f"client=gw roles=gateway scope=all sha256={'0' * 64}\n" if "TOKENS" in name else "")
            given[name] = str(file)
    given.pop("SSL_CERT_FILE", None)
    return given


@pytest.mark.skipif(not BINARY, reason="TRACKER_BINARY is not set")
@pytest.mark.parametrize("values", SETS)
def test_the_service_starts_with_what_a_pod_gets(values, tmp_path):
    for deployment in of_kind(render(values), "Deployment"):
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        process = subprocess.Popen(
            [BINARY, *container["args"]],
            env=variables(container, tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        # A process that says nothing would be read from for ever.
        limit = threading.Timer(PATIENCE_S, process.kill)
        limit.start()
        said = []
        for line in process.stdout:
            said.append(line)
            if "listening" in line:
                break
        process.kill()
        process.wait()
        limit.cancel()
        assert said and "listening" in said[-1], f"{deployment['metadata']['name']}: {''.join(said)}"
