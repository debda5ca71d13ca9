{{/* The pods of a trial. Users and groups are those of the images on Alpine. */}}

{{- define "tracker.trial.redis" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "tracker.podSecurity" (dict "user" 999 "group" 1000) | nindent 2 }}
containers:
  - name: redis
    image: {{ .Values.trial.redis.image }}
    # The password by standard input: arguments are seen by everybody on the node.
    command:
      - sh
      - -c
      - |
        exec redis-server - --dir /data --appendonly yes --appendfsync everysec \
          --maxmemory {{ .Values.trial.redis.maxmemory }} --maxmemory-policy noeviction <<END
        requirepass $REDISCLI_AUTH
        END
    env:
      # Under this name redis-cli reads it too.
      - name: REDISCLI_AUTH
        valueFrom:
          secretKeyRef: {name: {{ include "tracker.fullname" . }}-trial, key: redis-password}
    ports:
      - {name: redis, containerPort: 6379, protocol: TCP}
    readinessProbe:
      exec: {command: [sh, -c, "redis-cli ping | grep -q PONG"]}
      periodSeconds: 5
      timeoutSeconds: 3
    resources:
      {{- toYaml .Values.trial.redis.resources | nindent 6 }}
    securityContext:
      {{- include "tracker.containerSecurity" . | nindent 6 }}
    volumeMounts:
      - {name: data, mountPath: /data}
      # Here a file of the shell with the lines above may lie.
      - {name: tmp, mountPath: /tmp}
volumes:
  - name: tmp
    emptyDir: {medium: Memory, sizeLimit: 1Mi}
{{- end -}}

{{- define "tracker.trial.postgres" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "tracker.podSecurity" (dict "user" 70 "group" 70) | nindent 2 }}
containers:
  - name: postgres
    image: {{ .Values.trial.postgres.image }}
    env:
      - {name: POSTGRES_USER, value: tracker}
      - {name: POSTGRES_DB, value: tracker}
      - name: POSTGRES_PASSWORD
        valueFrom:
          secretKeyRef: {name: {{ include "tracker.fullname" . }}-trial, key: postgres-password}
      # Below the volume, whose own root may hold lost+found.
      - {name: PGDATA, value: /var/lib/postgresql/data/pgdata}
    ports:
      - {name: postgres, containerPort: 5432, protocol: TCP}
    readinessProbe:
      # By TCP: while the image prepares its data it listens on a socket only.
      exec: {command: [pg_isready, -h, 127.0.0.1, -U, tracker, -d, tracker]}
      periodSeconds: 5
      timeoutSeconds: 3
    resources:
      {{- toYaml .Values.trial.postgres.resources | nindent 6 }}
    securityContext:
      {{- include "tracker.containerSecurity" . | nindent 6 }}
    volumeMounts:
      - {name: data, mountPath: /var/lib/postgresql/data}
      - {name: run, mountPath: /var/run/postgresql}
      - {name: tmp, mountPath: /tmp}
volumes:
  - name: run
    emptyDir: {sizeLimit: 8Mi}
  - name: tmp
    emptyDir: {sizeLimit: 64Mi}
{{- end -}}
