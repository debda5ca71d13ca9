{{/* Names, labels and what several objects share. */}}

{{- define "tracker.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Room for suffixes such as -trial-postgres-0 below 63. */}}
{{- define "tracker.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "tracker.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "tracker.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Labels of every object. Never in a selector: the versions change. */}}
{{- define "tracker.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: connection-tracker
{{- end -}}

{{/* What selects every pod of the service, whatever its role. */}}
{{- define "tracker.selector" -}}
app.kubernetes.io/name: {{ include "tracker.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* The Deployments as a list: role, name, values, whether it serves the API and whether it scales by itself. */}}
{{- define "tracker.deployments" -}}
{{- $name := include "tracker.fullname" . -}}
{{- $scales := .Values.autoscaling.enabled -}}
{{- if eq .Values.mode "together" -}}
{{- list (dict "role" "all" "name" $name "values" .Values.together "api" true "scales" $scales) | toJson -}}
{{- else -}}
{{- list
  (dict "role" "api" "name" (printf "%s-api" $name) "values" .Values.api "api" true "scales" $scales)
  (dict "role" "sweeper" "name" (printf "%s-sweeper" $name) "values" .Values.sweeper "api" false "scales" false)
  | toJson -}}
{{- end -}}
{{- end -}}

{{/* The name of a role's account; call with the root and the deployment. */}}
{{- define "tracker.account" -}}
{{- get .root.Values.serviceAccount.names .deployment.role | default .deployment.name -}}
{{- end -}}

{{/* Whether the API server is asked by the pod's own account, which needs a token and rights for it. */}}
{{- define "tracker.asksByAccount" -}}
{{- if not (or .Values.platform.kubeconfigSecret.name (hasKey .Values.settings "KUBERNETES_URL")) -}}true{{- end -}}
{{- end -}}

{{- define "tracker.namespaces" -}}
{{- .Values.platform.namespaces | default (list .Release.Namespace) | uniq | toJson -}}
{{- end -}}

{{/* Seconds. The service waits for its requests, then as long again for its tasks. */}}
{{- define "tracker.grace" -}}
{{- add (int .Values.drain.preStop) (mul 2 (int .Values.drain.timeout)) 5 -}}
{{- end -}}

{{/* Which Secret and key hold a URL; call with the root and `redis` or `postgres`. */}}
{{- define "tracker.urlSource" -}}
{{- $values := get .root.Values .store -}}
{{- if $values.existingSecret.name -}}
name: {{ $values.existingSecret.name }}
key: {{ $values.existingSecret.key }}
{{- else if .root.Values.trial.enabled -}}
name: {{ include "tracker.fullname" .root }}-trial
key: {{ .store }}-url
{{- else -}}
name: {{ .secret | default (printf "%s-urls" (include "tracker.fullname" .root)) }}
key: {{ .store }}-url
{{- end -}}
{{- end -}}

{{- define "tracker.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .user | default 65532 }}
runAsGroup: {{ .group | default 65532 }}
fsGroup: {{ .group | default 65532 }}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "tracker.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}
