{{/* One ConfigMap for each dashboard, with the label that Grafana's sidecar looks for. No .yaml, because it is none yet. */}}
{{- range $file, $_ := .Files.Glob "*.json" }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: dashboard-{{ trimSuffix ".json" $file }}
  namespace: {{ $.Release.Namespace }}
  labels: {grafana_dashboard: "1"}
  annotations: {grafana_folder: Chat}
data:
  {{ $file }}: {{ $.Files.Get $file | toJson }}
{{- end }}
