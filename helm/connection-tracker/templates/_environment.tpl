{{/* Variables of the service. Nothing empty is set: to the service that is a value, not its absence. */}}

{{/* One of `settings`. Numbers come as floats, which would be written 1e+06. */}}
{{- define "tracker.setting" -}}
- name: TRACKER_{{ .name }}
  value: {{ if kindIs "float64" .value }}{{ int64 .value | toString | quote }}{{ else }}{{ .value | toString | quote }}{{ end }}
{{- end -}}

{{/* What every command needs that talks to Postgres. */}}
{{- define "tracker.postgresEnvironment" -}}
- name: TRACKER_POSTGRES_URL
  valueFrom:
    secretKeyRef:
      {{- include "tracker.urlSource" (dict "root" .root "store" "postgres" "secret" .secret) | nindent 6 }}
{{- if .root.Values.caSecret.name }}
- name: SSL_CERT_FILE
  value: /etc/connection-tracker/ca/{{ .root.Values.caSecret.key }}
{{- end }}
{{- end -}}

{{/* Call with the root and the deployment. What serves no API listens on loopback at most, and sees no tokens. */}}
{{- define "tracker.environment" -}}
{{- $values := .root.Values -}}
- name: TRACKER_SERVE_ROLE
  value: {{ .deployment.role }}
- name: TRACKER_HTTP_OPERATIONS_ADDRESS
  value: 0.0.0.0:8081
- name: TRACKER_HTTP_DRAIN
  value: {{ $values.drain.timeout }}s
{{- if .deployment.api }}
- name: TRACKER_HTTP_ADDRESS
  value: 0.0.0.0:8080
{{- if $values.auth.allowUnauthenticated }}
- name: TRACKER_HTTP_ALLOW_UNAUTHENTICATED
  value: "true"
{{- else }}
- name: TRACKER_AUTH_TOKENS_FILE
  value: /etc/connection-tracker/tokens/{{ $values.auth.tokensSecret.key }}
{{- end }}
{{- with $values.auth.tokenReviewAudience }}
- name: TRACKER_AUTH_TOKEN_REVIEW_AUDIENCE
  value: {{ . | quote }}
{{- end }}
{{- end }}
- name: TRACKER_REDIS_URL
  valueFrom:
    secretKeyRef:
      {{- include "tracker.urlSource" (dict "root" .root "store" "redis") | nindent 6 }}
{{ include "tracker.postgresEnvironment" (dict "root" .root) }}
- name: TRACKER_KUBERNETES_PLATFORM
  value: {{ $values.platform.kind }}
- name: TRACKER_KUBERNETES_NAMESPACES
  value: {{ include "tracker.namespaces" .root | fromJsonArray | join "," | quote }}
{{- with $values.platform.kubeconfigSecret }}
{{- if .name }}
- name: TRACKER_KUBERNETES_KUBECONFIG
  value: /etc/connection-tracker/kubeconfig/{{ .key }}
{{- end }}
{{- end }}
{{- if eq $values.platform.kind "custom-resource" }}
{{- range $word, $value := $values.platform.resource }}
- name: TRACKER_KUBERNETES_{{ upper $word }}
  value: {{ $value | quote }}
{{- end }}
{{- else }}
- name: TRACKER_SCALE_SUBRESOURCE
  value: {{ $values.platform.scaleSubresource | quote }}
{{- end }}
- name: TRACKER_KUBERNETES_EVENTS
  value: {{ $values.platform.events | quote }}
- name: TRACKER_TELEMETRY_LOG_FILE
  value: /etc/connection-tracker/log/directives
{{- range $name, $value := $values.settings }}
{{ include "tracker.setting" (dict "name" $name "value" $value) }}
{{- end }}
{{- with $values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Files: each Secret as a directory, since a subPath is never updated. Call with the root and the deployment. */}}
{{- define "tracker.files" -}}
{{- $values := .root.Values -}}
{{- $files := list (dict "name" "ca" "secret" $values.caSecret.name)
  (dict "name" "kubeconfig" "secret" $values.platform.kubeconfigSecret.name) -}}
{{- if and .deployment.api $values.auth.tokensSecret.name -}}
{{- $files = append $files (dict "name" "tokens" "secret" $values.auth.tokensSecret.name) -}}
{{- end -}}
{{- $given := list -}}
{{- range $files -}}
{{- if .secret -}}{{- $given = append $given . -}}{{- end -}}
{{- end -}}
{{- $given | toJson -}}
{{- end -}}
