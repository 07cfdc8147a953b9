{{/* Labels of one component. Call with (list $ "eagle-operator"). */}}
{{- define "eagle.labels" -}}
{{- $root := index . 0 -}}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/part-of: eagle
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
{{ include "eagle.selector" . }}
{{- end }}

{{/* The labels by which a component's pods are found; they never change. */}}
{{- define "eagle.selector" -}}
app.kubernetes.io/name: {{ index . 1 }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
{{- end }}

{{- define "eagle.operator.serviceAccount" -}}
{{- .Values.operator.serviceAccount.name | default (printf "%s-operator" .Release.Name) -}}
{{- end }}

{{/* The operator as the API server knows it. */}}
{{- define "eagle.operator.user" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "eagle.operator.serviceAccount" . }}
{{- end }}

{{/* The name of an image. Call with (list $ "operator"). */}}
{{- define "eagle.image" -}}
{{- $root := index . 0 -}}
{{- $image := index $root.Values.images (index . 1) -}}
{{- if $image.reference -}}
{{- $image.reference -}}
{{- else if $image.digest -}}
{{- $image.repository }}@{{ $image.digest -}}
{{- else -}}
{{- $image.repository }}:{{ $image.tag | default $root.Chart.AppVersion -}}
{{- end -}}
{{- end }}

{{- define "eagle.store.enabled" -}}
{{- if not .Values.artifacts.url }}true{{ end -}}
{{- end }}

{{- define "eagle.store.rootSecret" -}}
{{- .Values.store.root.existingSecret | default (printf "%s-store-root" .Release.Name) -}}
{{- end }}

{{/* What "restricted" pod security asks of a pod. */}}
{{- define "eagle.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* What "restricted" pod security asks of a container. */}}
{{- define "eagle.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Whether the API server can stamp names itself. */}}
{{- define "eagle.stamps.mutate" -}}
{{- $known := .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy" -}}
{{- if or (eq .Values.admissionPolicies.stamps "Mutate") (and (eq .Values.admissionPolicies.stamps "Auto") $known) }}true{{ end -}}
{{- end }}

{{/* The binding of a policy: call with (list $ "suffix" "Validating"). Deleting a binding is the way to break the glass. */}}
{{- define "eagle.policyBinding" -}}
{{- $root := index . 0 -}}
apiVersion: admissionregistration.k8s.io/v1
kind: {{ index . 2 }}AdmissionPolicyBinding
metadata:
  name: {{ $root.Release.Name }}-{{ index . 1 }}
  labels: {{- include "eagle.labels" (list $root "eagle-policies") | nindent 4 }}
spec:
  policyName: {{ $root.Release.Name }}-{{ index . 1 }}
  {{- if eq (index . 2) "Validating" }}
  validationActions: [Deny]
  {{- end }}
{{- end }}

{{/*
The names that an order must bear, as CEL variables of the policies on ModelVersions: whoever makes it is requestedBy for good,
whoever adds a cancellation is its `by` for good, and whoever last changed an approval's decision or reason is its `by`.
*/}}
{{- define "eagle.orders.variables" -}}
- name: before
  expression: 'oldObject == null ? dyn({}) : dyn(oldObject).spec'
- name: after
  expression: dyn(object).spec
- name: requestedBy
  expression: >-
    oldObject == null ? request.userInfo.username : variables.before.?requestedBy.orValue('')
- name: cancelledBy
  expression: >-
    has(variables.before.cancellation) ? variables.before.cancellation.?by.orValue('') : request.userInfo.username
- name: approvedBy
  expression: >-
    has(variables.before.approval) && has(variables.after.approval) &&
    variables.before.approval.decision == variables.after.approval.?decision.orValue('') &&
    variables.before.approval.?reason.orValue('') == variables.after.approval.?reason.orValue('') ?
    variables.before.approval.?by.orValue('') : request.userInfo.username
{{- end }}
