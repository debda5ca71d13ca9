{{/* What the Job of migrate and what it needs have in common. */}}

{{/* Before everything else where Postgres is there already. The servers of a trial come with the release, so there it is
a plain Job that tries until they answer: as a hook after the installation, `helm install --wait` would wait for ever for
pods that are not ready before the schema is there. */}}
{{- define "tracker.migrateIsHook" -}}
{{- if and .Values.migrate.enabled (not .Values.trial.enabled) -}}true{{- end -}}
{{- end -}}

{{/* Call with the weight; what has a lower one is there first. All of it goes when all hooks have succeeded. */}}
{{- define "tracker.hook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{- define "tracker.migrateSelector" -}}
app.kubernetes.io/name: {{ include "tracker.name" . }}-migrate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}
