{{/* Rules of egress. An empty list of peers is left out, which means any address on these ports. */}}

{{- define "tracker.egressTo" -}}
- ports:
    {{- range .ports }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
  {{- with .to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "tracker.egressDns" -}}
- ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end -}}

{{/* Call with the root and `redis` or `postgres`. */}}
{{- define "tracker.egressStore" -}}
{{- if .root.Values.trial.enabled -}}
{{- $labels := include "tracker.trialSelector" . | fromYaml -}}
{{- $port := dict "redis" 6379 "postgres" 5432 -}}
{{- include "tracker.egressTo" (dict "ports" (list (get $port .store)) "to" (list (dict "podSelector" (dict "matchLabels" $labels)))) -}}
{{- else -}}
{{- include "tracker.egressTo" (get .root.Values.networkPolicy.egress .store) -}}
{{- end -}}
{{- end -}}

{{- define "tracker.trialSelector" -}}
app.kubernetes.io/name: {{ include "tracker.name" .root }}-trial
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .store }}
{{- end -}}
