{{/* Names, labels and numbers that more than one template needs. */}}

{{- define "chat.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What pods of a component are selected by; never changes in a release's life. Takes root, component. */}}
{{- define "chat.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Labels of an object. Takes root, component. */}}
{{- define "chat.labels" -}}
{{ include "chat.podLabels" . }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Labels of a pod: nothing that another version of the chart alone would change. Takes root, component. */}}
{{- define "chat.podLabels" -}}
{{ include "chat.selector" . }}
app.kubernetes.io/part-of: chat
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Values.image.tag | default .root.Chart.AppVersion | quote }}
{{- include "chat.place" .root }}
{{- end -}}

{{- define "chat.place" -}}
{{- with .Values.environment }}
platform.chat.example.org/environment: {{ . }}
{{- end }}
{{- with .Values.cloud }}
platform.chat.example.org/cloud: {{ . }}
{{- end }}
{{- end -}}

{{- define "chat.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "chat.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "chat.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{- define "chat.mongodbSecret" -}}
{{- .Values.mongodb.existingSecret | default (printf "%s-mongodb" (include "chat.fullname" .)) -}}
{{- end -}}

{{- define "chat.redisSecret" -}}
{{- .Values.redis.existingSecret | default (printf "%s-redis" (include "chat.fullname" .)) -}}
{{- end -}}

{{/* The Secret of token keys, empty where the store keeps them. */}}
{{- define "chat.tokenKeysSecret" -}}
{{- if .Values.tokenKeys.existingSecret -}}
{{- .Values.tokenKeys.existingSecret -}}
{{- else if and (eq .Values.mode "cluster") .Values.externalSecrets.enabled .Values.externalSecrets.tokenKeysKey -}}
{{- include "chat.fullname" . }}-token-keys
{{- end -}}
{{- end -}}

{{- define "chat.migrationHook" -}}
{{ ternary "post-install,pre-upgrade" "pre-install,pre-upgrade" .Values.externalSecrets.enabled }}
{{- end -}}

{{/*
The numbers of stopping, in seconds, as YAML; all follow from drainSeconds. A sixth of it passes before SIGTERM, in
which proxies learn that the pod goes; another sixth the service serves on; in the rest it closes its connections. Then
20 s are there for last answers and flushes, and 5 s for the kubelet's own delays.
*/}}
{{- define "chat.drain" -}}
{{- $drain := int .Values.drainSeconds -}}
{{- $sixth := div $drain 6 -}}
{{- $close := sub $drain (mul 2 $sixth) -}}
{{- $stop := add $sixth $close 20 -}}
preStop: {{ $sixth }}
notice: {{ $sixth }}
close: {{ $close }}
stop: {{ $stop }}
grace: {{ add $sixth $stop 5 }}
workerGrace: {{ add $stop 5 }}
{{- end -}}

{{/* The environment of the service, but for secrets: a YAML map of strings. */}}
{{- define "chat.settings" -}}
{{- $drain := include "chat.drain" . | fromYaml -}}
{{- $cluster := eq .Values.mode "cluster" -}}
{{- $settings := dict
  "CHAT_HOST" "0.0.0.0"
  "CHAT_PORT" "8000"
  "CHAT_METRICS_HOST" "0.0.0.0"
  "CHAT_METRICS_PORT" "9464"
  "CHAT_DATA_DIR" "/data"
  "CHAT_DRAIN_NOTICE_S" (toString (int $drain.notice))
  "CHAT_DRAIN_CLOSE_S" (toString (int $drain.close))
  "CHAT_STOP_TIMEOUT_S" (toString (int $drain.stop)) -}}
{{- with .Values.hosts }}{{ $_ := set $settings "CHAT_PUBLIC_URL" (printf "https://%s" (first .)) }}{{ end -}}
{{- if and .Values.filesBucket .Values.cloud -}}
{{- $_ := set $settings "CHAT_FILES_URL" (printf "%s://%s" (get (dict "aws" "s3" "gcp" "gs" "azure" "az") .Values.cloud) .Values.filesBucket) -}}
{{- end -}}
{{- if $cluster -}}
{{- $_ := set $settings "CHAT_MONGODB_URI_FILE" "/secrets/mongodb/uri" -}}
{{- $_ := set $settings "CHAT_REDIS_URLS_FILE" "/secrets/redis/uri" -}}
{{- if .Values.mongodb.ca }}{{ $_ := set $settings "CHAT_MONGODB_TLS_CA" "/secrets/mongodb/ca.crt" }}{{ end -}}
{{- if .Values.redis.ca }}{{ $_ := set $settings "CHAT_REDIS_TLS_CA" "/secrets/redis/ca.crt" }}{{ end -}}
{{- end -}}
{{- if include "chat.tokenKeysSecret" . }}{{ $_ := set $settings "CHAT_TOKEN_KEYS_FILE" "/secrets/token-keys/keys" }}{{ end -}}
{{- range $name, $value := .Values.settings -}}
{{- $_ := set $settings $name (ternary $value (toJson $value) (kindIs "string" $value)) -}}
{{- end -}}
{{- toYaml $settings -}}
{{- end -}}

{{/* Refuses values that are right one by one and wrong together. */}}
{{- define "chat.check" -}}
{{- $cluster := eq .Values.mode "cluster" -}}
{{- if and $cluster .Values.persistence.enabled (not .Values.persistence.existingClaim) (not (include "chat.settings" . | fromYaml).CHAT_FILES_URL) -}}
{{- fail "mode: cluster has to know where uploaded files live: set filesBucket (with cloud) or settings.CHAT_FILES_URL, or persistence.existingClaim to a ReadWriteMany claim, or persistence.enabled to false where files may be lost with their pod" -}}
{{- end -}}
{{- if and $cluster .Values.externalSecrets.enabled (or .Values.mongodb.existingSecret .Values.redis.existingSecret .Values.tokenKeys.existingSecret) -}}
{{- fail "externalSecrets.enabled makes the Secrets; leave the existingSecret of mongodb, redis and tokenKeys empty" -}}
{{- end -}}
{{- if and (or .Values.httpRoute.enabled .Values.ingress.enabled) (not .Values.hosts) -}}
{{- fail "httpRoute and ingress need hosts: the names that people reach the chat by" -}}
{{- end -}}
{{- if and .Values.serviceAccount.identity (not .Values.cloud) -}}
{{- fail "serviceAccount.identity needs cloud: aws, gcp or azure" -}}
{{- end -}}
{{- if and $cluster (ne .Values.autoscaling.by "none") (gt (int (include "chat.drain" . | fromYaml).grace) 1800) -}}
{{- fail "drainSeconds is too long for autoscaling, which can wait for 1800 s at most between two pods that go: 1775 or less" -}}
{{- end -}}
{{- range $part := list "gateway" "worker" -}}
{{- $bounds := index $.Values.autoscaling $part -}}
{{- if gt (int $bounds.min) (int $bounds.max) -}}
{{- fail (printf "autoscaling.%s.min is larger than autoscaling.%s.max" $part $part) -}}
{{- end -}}
{{- end -}}
{{- end -}}
