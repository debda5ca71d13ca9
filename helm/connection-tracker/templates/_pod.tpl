{{/* The pod of a Deployment; call with the root and the deployment. */}}
{{- define "tracker.pod" -}}
{{- $values := .root.Values -}}
serviceAccountName: {{ include "tracker.account" . }}
automountServiceAccountToken: {{ include "tracker.asksByAccount" .root | eq "true" }}
# A Service called tracker would put variables of its own among the settings.
enableServiceLinks: false
{{- with $values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds | default (include "tracker.grace" .root) }}
securityContext:
  {{- include "tracker.podSecurity" dict | nindent 2 }}
containers:
  - name: connection-tracker
    image: {{ include "tracker.image" .root }}
    imagePullPolicy: {{ $values.image.pullPolicy }}
    args: [serve]
    env:
      {{- include "tracker.environment" . | nindent 6 }}
    ports:
      {{- if .deployment.api }}
      - {name: http, containerPort: 8080, protocol: TCP}
      {{- end }}
      - {name: operations, containerPort: 8081, protocol: TCP}
    # None of these asks Redis, Postgres or the API server: where those are away, a restart helps nobody.
    startupProbe:
      httpGet: {path: /livez, port: operations}
      periodSeconds: 2
      failureThreshold: 30
    livenessProbe:
      httpGet: {path: /livez, port: operations}
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 6
    readinessProbe:
      httpGet: {path: /readyz, port: operations}
      periodSeconds: 5
      timeoutSeconds: 3
      failureThreshold: 2
    {{- if and .deployment.api (gt (int $values.drain.preStop) 0) }}
    lifecycle:
      # A stop refuses new connections at once; gateways need a moment to hear of it. The image has no shell.
      preStop: {sleep: {seconds: {{ $values.drain.preStop }}}}
    {{- end }}
    resources:
      {{- toYaml .deployment.values.resources | nindent 6 }}
    securityContext:
      {{- include "tracker.containerSecurity" . | nindent 6 }}
    volumeMounts:
      - {name: log, mountPath: /etc/connection-tracker/log, readOnly: true}
      {{- range include "tracker.files" . | fromJsonArray }}
      - {name: {{ .name }}, mountPath: /etc/connection-tracker/{{ .name }}, readOnly: true}
      {{- end }}
volumes:
  - name: log
    configMap: {name: {{ include "tracker.fullname" .root }}-log}
  {{- range include "tracker.files" . | fromJsonArray }}
  - name: {{ .name }}
    secret: {secretName: {{ .secret }}, defaultMode: 0440}
  {{- end }}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "tracker.selector" $.root | nindent 8 }}
        app.kubernetes.io/component: {{ $.deployment.role }}
    # Else the pods of the old version count while the new ones are placed.
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
