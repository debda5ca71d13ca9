{{/* What values must not say together: each with a sentence that says what to set. */}}
{{- define "tracker.validate" -}}
{{- $values := .Values -}}
{{- range $store := list "redis" "postgres" -}}
{{- $one := get $values $store -}}
{{- $given := or $one.url $one.existingSecret.name -}}
{{- if and $one.url $one.existingSecret.name -}}
{{- fail (printf "%s.url and %s.existingSecret.name are both set: keep one of them" $store $store) -}}
{{- else if and $given $values.trial.enabled -}}
{{- fail (printf "trial.enabled brings its own servers, and %s is set too: take away %s.url and %s.existingSecret.name, or set trial.enabled=false" $store $store $store) -}}
{{- else if not (or $given $values.trial.enabled) -}}
{{- fail (printf "nothing says where %s is: set %s.url or %s.existingSecret.name, or trial.enabled=true to try things out" $store $store $store) -}}
{{- end -}}
{{- end -}}
{{- with $values.auth -}}
{{- if and .tokensSecret.name .allowUnauthenticated -}}
{{- fail "auth.tokensSecret.name and auth.allowUnauthenticated=true contradict each other: keep one of them" -}}
{{- else if not (or .tokensSecret.name .allowUnauthenticated) -}}
{{- fail "nothing says who may call: set auth.tokensSecret.name to a Secret with a file of tokens, or auth.allowUnauthenticated=true behind a network that keeps strangers out" -}}
{{- else if and .tokenReviewAudience (not .tokensSecret.name) -}}
{{- fail "auth.tokenReviewAudience is set, but nothing says what accounts may do: set auth.tokensSecret.name to a Secret whose file has lines with service_account=" -}}
{{- end -}}
{{- end -}}
{{- with $values.platform -}}
{{- if and .scaleSubresource (ne .kind "scale") -}}
{{- fail "platform.scaleSubresource is for workloads: set platform.kind=scale, or leave it false" -}}
{{- end -}}
{{- $usual := dict "group" "stream.space" "version" "v1alpha1" "kind" "Session" "plural" "sessions" -}}
{{- if and .installDefinition (or (ne .kind "custom-resource") (ne (toJson .resource) (toJson $usual))) -}}
{{- fail "platform.installDefinition brings the definition of stream.space/v1alpha1 Session and no other: set it to false" -}}
{{- end -}}
{{- if and .kubeconfigSecret.name (hasKey $values.settings "KUBERNETES_URL") -}}
{{- fail "platform.kubeconfigSecret.name and settings.KUBERNETES_URL both say where the API server is: keep one of them" -}}
{{- end -}}
{{- end -}}
{{- $least := include "tracker.grace" . | int -}}
{{- if and (not (kindIs "invalid" $values.terminationGracePeriodSeconds)) (lt (int $values.terminationGracePeriodSeconds) $least) -}}
{{- fail (printf "terminationGracePeriodSeconds=%d is less than the %d that drain.preStop and twice drain.timeout with 5 to spare take: pods would be killed while they drain; leave it null" (int $values.terminationGracePeriodSeconds) $least) -}}
{{- end -}}
{{- with $values.autoscaling -}}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- fail "autoscaling.minReplicas is above autoscaling.maxReplicas: raise the second or lower the first" -}}
{{- end -}}
{{- end -}}
{{- if and $values.serviceMonitor.enabled $values.networkPolicy.enabled (not $values.networkPolicy.monitoring) -}}
{{- fail "serviceMonitor.enabled, but networkPolicy.monitoring lets nobody scrape: name the pods of Prometheus there, or set networkPolicy.enabled=false" -}}
{{- end -}}
{{- if not $values.serviceAccount.create -}}
{{- range include "tracker.deployments" . | fromJsonArray -}}
{{- if not (get $values.serviceAccount.names .role) -}}
{{- fail (printf "serviceAccount.create is false: set serviceAccount.names.%s to the account that exists" .role) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $values.extraEnv -}}
{{- if hasPrefix "TRACKER_" .name -}}
{{- fail (printf "extraEnv names %s: set it as settings.%s, where names are checked, or by the value of the chart for it" .name (trimPrefix "TRACKER_" .name)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
