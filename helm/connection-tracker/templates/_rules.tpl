{{/* The least rights of a role, as in examples/kubernetes/; call with the root and the role. What serves the API alone
reads single objects and patches them to wake. Watching, and keeping activities up to date, is the sweeper's. */}}
{{- define "tracker.rules" -}}
{{- $platform := .root.Values.platform -}}
{{- $sweeps := ne .role "api" -}}
{{- if eq $platform.kind "custom-resource" -}}
- apiGroups: [{{ $platform.resource.group | quote }}]
  resources: [{{ $platform.resource.plural | quote }}]
  verbs: {{ $sweeps | ternary "[get, list, watch, patch]" "[get, patch]" }}
{{- $activity := true -}}
{{- if hasKey .root.Values.settings "KUBERNETES_ACTIVITY_PATH" -}}
{{- $activity = ne (get .root.Values.settings "KUBERNETES_ACTIVITY_PATH") "" -}}
{{- end -}}
{{- if and $sweeps $activity }}
- apiGroups: [{{ $platform.resource.group | quote }}]
  resources: [{{ printf "%s/status" $platform.resource.plural | quote }}]
  verbs: [patch]
{{- end }}
{{- else -}}
{{- $kinds := get .root.Values.settings "SCALE_WORKLOADS" | default "deployments,statefulsets" | splitList "," -}}
{{- $reads := $sweeps | ternary "get, list, watch" "get, list" -}}
{{- /* A workload is found by its label, so what serves the API lists too. */ -}}
- apiGroups: [apps]
  resources: [{{ join ", " $kinds }}]
  verbs: [{{ $reads }}{{ if not $platform.scaleSubresource }}, patch{{ end }}]
{{- if $platform.scaleSubresource }}
- apiGroups: [apps]
  resources: [{{ range $at, $kind := $kinds }}{{ if $at }}, {{ end }}{{ trim $kind }}/scale{{ end }}]
  verbs: [patch]
{{- end }}
{{- end }}
{{- if $platform.events }}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}
{{- end -}}

{{/* Whether tokens of the cluster are reviewed by the pods' own accounts. */}}
{{- define "tracker.reviews" -}}
{{- if and .Values.rbac.create .Values.auth.tokenReviewAudience (include "tracker.asksByAccount" .) -}}true{{- end -}}
{{- end -}}
