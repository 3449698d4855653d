{{/* The pods: the template of each, made of parts that all of them share. */}}

{{- define "chat.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "chat.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* What every pod begins with. */}}
{{- define "chat.podHead" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "chat.podSecurity" . | nindent 2 }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Metadata of a pod. Takes root, component, annotations. */}}
{{- define "chat.podMetadata" -}}
labels:
  {{- include "chat.podLabels" . | nindent 2 }}
  {{- if and .root.Values.serviceAccount.identity (eq .root.Values.cloud "azure") }}
  azure.workload.identity/use: "true"
  {{- end }}
annotations:
  kubectl.kubernetes.io/default-container: chat
  checksum/settings: {{ include "chat.settings" .root | sha256sum }}
  {{- with .annotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Where a component's pods may run. Takes root, component, part, hashLabel. */}}
{{- define "chat.placement" -}}
{{- with .part.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- if eq .root.Values.mode "cluster" }}
topologySpreadConstraints:
  {{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - topologyKey: {{ $key }}
    maxSkew: 1
    whenUnsatisfiable: {{ $.root.Values.topologySpread }}
    labelSelector:
      matchLabels:
        {{- include "chat.selector" $ | nindent 8 }}
    matchLabelKeys: [{{ $.hashLabel }}]
  {{- end }}
{{- end }}
{{- end -}}

{{/* What a container of the service mounts. */}}
{{- define "chat.mounts" -}}
- {name: data, mountPath: /data}
- {name: tmp, mountPath: /tmp}
{{- if eq .Values.mode "cluster" }}
- {name: mongodb, mountPath: /secrets/mongodb, readOnly: true}
- {name: redis, mountPath: /secrets/redis, readOnly: true}
{{- end }}
{{- if include "chat.tokenKeysSecret" . }}
- {name: token-keys, mountPath: /secrets/token-keys, readOnly: true}
{{- end }}
{{- end -}}

{{/* Secrets are files and whole volumes, so that the kubelet renews them and the service reads them again. */}}
{{- define "chat.secretVolume" -}}
- name: {{ .name }}
  secret:
    secretName: {{ .secret }}
    defaultMode: 0440
    items:
      - {key: {{ .key }}, path: {{ .key }}}
      {{- if .ca }}
      - {key: ca.crt, path: ca.crt}
      {{- end }}
{{- end -}}

{{- define "chat.mongodbVolume" -}}
{{- include "chat.secretVolume" (dict "name" "mongodb" "secret" (include "chat.mongodbSecret" .) "key" "uri" "ca" .Values.mongodb.ca) -}}
{{- end -}}

{{/* The volumes of a pod of the service, but for a claim of its own. */}}
{{- define "chat.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: 256Mi}
{{- if and .Values.persistence.enabled .Values.persistence.existingClaim }}
- name: data
  persistentVolumeClaim: {claimName: {{ .Values.persistence.existingClaim }}}
{{- else if or (eq .Values.mode "cluster") (not .Values.persistence.enabled) }}
- name: data
  emptyDir: {sizeLimit: 2Gi}
{{- end }}
{{- if eq .Values.mode "cluster" }}
{{ include "chat.mongodbVolume" . }}
{{ include "chat.secretVolume" (dict "name" "redis" "secret" (include "chat.redisSecret" .) "key" "uri" "ca" .Values.redis.ca) }}
{{- end }}
{{- with include "chat.tokenKeysSecret" . }}
{{ include "chat.secretVolume" (dict "name" "token-keys" "secret" . "key" "keys" "ca" false) }}
{{- end }}
{{- end -}}

{{/*
Startup has two minutes: the service itself waits one for a database that comes up. A process that hangs is restarted
after half a minute, and has not the grace of one that leaves; one that drains leaves its Service when its end is asked
for, whatever its probe says.
*/}}
{{- define "chat.probes" -}}
startupProbe:
  httpGet: {path: /startupz, port: {{ . }}}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /livez, port: {{ . }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
  terminationGracePeriodSeconds: 10
readinessProbe:
  httpGet: {path: /readyz, port: {{ . }}}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
{{- end -}}

{{- define "chat.gatewayPod" -}}
{{- $drain := include "chat.drain" . | fromYaml -}}
metadata:
  {{- include "chat.podMetadata" (dict "root" . "component" "gateway" "annotations" .Values.gateway.podAnnotations) | nindent 2 }}
spec:
  {{- include "chat.podHead" . | nindent 2 }}
  serviceAccountName: {{ include "chat.serviceAccountName" . }}
  terminationGracePeriodSeconds: {{ int $drain.grace }}
  {{- with include "chat.placement" (dict "root" . "component" "gateway" "part" .Values.gateway "hashLabel" (ternary "rollouts-pod-template-hash" "pod-template-hash" .Values.rollout.enabled)) | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  containers:
    - name: chat
      image: {{ include "chat.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [serve]
      envFrom:
        - configMapRef: {name: {{ include "chat.fullname" . }}}
      ports:
        - {name: http, containerPort: 8000, protocol: TCP}
        - {name: metrics, containerPort: 9464, protocol: TCP}
      {{- include "chat.probes" "http" | nindent 6 }}
      lifecycle:
        preStop:
          sleep: {seconds: {{ int $drain.preStop }}}
      resources:
        {{- toYaml .Values.gateway.resources | nindent 8 }}
      securityContext:
        {{- include "chat.containerSecurity" . | nindent 8 }}
      volumeMounts:
        {{- include "chat.mounts" . | nindent 8 }}
  volumes:
    {{- include "chat.volumes" . | nindent 4 }}
{{- end -}}

{{- define "chat.workerPod" -}}
{{- $drain := include "chat.drain" . | fromYaml -}}
metadata:
  {{- include "chat.podMetadata" (dict "root" . "component" "worker" "annotations" .Values.worker.podAnnotations) | nindent 2 }}
spec:
  {{- include "chat.podHead" . | nindent 2 }}
  serviceAccountName: {{ include "chat.serviceAccountName" . }}
  terminationGracePeriodSeconds: {{ int $drain.workerGrace }}
  {{- include "chat.placement" (dict "root" . "component" "worker" "part" .Values.worker "hashLabel" "pod-template-hash") | nindent 2 }}
  containers:
    - name: chat
      image: {{ include "chat.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [worker]
      envFrom:
        - configMapRef: {name: {{ include "chat.fullname" . }}}
      ports:
        - {name: metrics, containerPort: 9464, protocol: TCP}
      {{- include "chat.probes" "metrics" | nindent 6 }}
      resources:
        {{- toYaml .Values.worker.resources | nindent 8 }}
      securityContext:
        {{- include "chat.containerSecurity" . | nindent 8 }}
      volumeMounts:
        {{- include "chat.mounts" . | nindent 8 }}
  volumes:
    {{- include "chat.volumes" . | nindent 4 }}
{{- end -}}
