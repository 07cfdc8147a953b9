{{- define "organization.namespace" -}}
{{- .Values.namespace.name | default (printf "org-%s" .Values.organization) -}}
{{- end }}

{{- define "organization.operatorNamespace" -}}
{{- .Values.operator.namespace | default .Release.Namespace -}}
{{- end }}

{{- define "organization.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/part-of: eagle
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* The data of an object as it is in the cluster: call with (list $ "Secret" "eagle-keys"). Empty without a cluster. */}}
{{- define "organization.found" -}}
{{- $found := lookup "v1" (index . 1) (include "organization.namespace" (index . 0)) (index . 2) | default dict -}}
{{- dict "data" (get $found "data" | default dict) "annotations" (dig "metadata" "annotations" dict $found | default dict) | toJson -}}
{{- end }}

{{/* Whether the object store is the one that the chart eagle-training brings. */}}
{{- define "organization.embedded" -}}
{{- if not .Values.store.url }}true{{ end -}}
{{- end }}

{{- define "organization.bucket" -}}
eagle-{{ .Values.organization }}
{{- end }}

{{- define "organization.image" -}}
{{- if .reference }}{{ .reference }}{{ else if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag }}{{ end -}}
{{- end }}

{{/* The trainer's image, which sweeps: the given one, else the one that the installed operator uses. Empty if neither is known. */}}
{{- define "organization.sweepImage" -}}
{{- $image := .Values.sweep.image -}}
{{- if or $image.reference $image.repository -}}
{{- include "organization.image" $image -}}
{{- else -}}
{{- $operator := lookup "apps/v1" "Deployment" (include "organization.operatorNamespace" .) (printf "%s-operator" .Values.operator.release) -}}
{{- range dig "spec" "template" "spec" "containers" list ($operator | default dict) -}}
{{- range .env -}}
{{- if eq .name "EAGLE_TRAINER_IMAGE" }}{{ .value }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "organization.sweeps" -}}
{{- if and .Values.sweep.enabled (include "organization.sweepImage" .) }}true{{ end -}}
{{- end }}

{{/* Once a day, at a minute that the namespace's name gives: many organizations do not come to the store at once. */}}
{{- define "organization.sweepSchedule" -}}
{{- $minute := mod (include "organization.namespace" . | adler32sum | int64) 1440 -}}
{{- .Values.sweep.schedule | default (printf "%d %d * * *" (mod $minute 60) (div $minute 60)) -}}
{{- end }}

{{/* Subjects of a RoleBinding. */}}
{{- define "organization.subjects" -}}
{{- range .users }}
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: {{ . | quote }}}
{{- end }}
{{- range .groups }}
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: {{ . | quote }}}
{{- end }}
{{- range .serviceAccounts }}
- {kind: ServiceAccount, name: {{ .name }}, namespace: {{ .namespace }}}
{{- end }}
{{- end }}

{{/* Egress that all who use the store need. */}}
{{- define "organization.egress" }}
- ports:
  - {protocol: UDP, port: 53}
  - {protocol: TCP, port: 53}
{{- if include "organization.embedded" . }}
- to:
  - namespaceSelector:
      matchLabels: {kubernetes.io/metadata.name: {{ include "organization.operatorNamespace" . }}}
    podSelector:
      matchLabels: {app.kubernetes.io/name: eagle-store, app.kubernetes.io/instance: {{ .Values.operator.release }}}
  ports: [{protocol: TCP, port: 7070}]
{{- else }}
- ports:
  {{- range .Values.networkPolicy.storePorts }}
  - {protocol: TCP, port: {{ . }}}
  {{- end }}
{{- end }}
{{- end }}
