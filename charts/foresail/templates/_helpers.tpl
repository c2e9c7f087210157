{{- define "foresail.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "foresail.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "foresail.selectorLabels" -}}
app.kubernetes.io/name: {{ include "foresail.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "foresail.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "foresail.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: foresail
{{- end }}

{{- define "foresail.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "foresail.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "foresail.subjects" -}}
- kind: ServiceAccount
  name: {{ include "foresail.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{- define "foresail.leaseName" -}}
{{- default (include "foresail.fullname" .) .Values.operator.leaseName }}
{{- end }}

{{- define "foresail.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/*
Part 1 of the permissions: what every watched namespace grants. It can change no workload: the only objects it writes are
Foresail's own (status, checkpoints) and Events.
*/}}
{{- define "foresail.observeRules" -}}
- apiGroups: [foresail.dev]
  resources: [predictiveautoscalers, demandcalendars, forecastcheckpoints]
  verbs: [get, list, watch]
- apiGroups: [foresail.dev]
  resources: [predictiveautoscalers/status]
  verbs: [get, patch, update]
# The finalizer by which a deleted autoscaler first gives the floor of its HPA back. It must go also where part 2 went before
# it, as in a namespace that is being deleted.
- apiGroups: [foresail.dev]
  resources: [predictiveautoscalers]
  verbs: [patch]
- apiGroups: [foresail.dev]
  resources: [predictiveautoscalers/finalizers]
  verbs: [update]
# No delete: a checkpoint is owned by its autoscaler and collected with it.
- apiGroups: [foresail.dev]
  resources: [forecastcheckpoints]
  verbs: [create, patch, update]
- apiGroups: ["", events.k8s.io]
  resources: [events]
  verbs: [create, patch]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch]
- apiGroups: [apps]
  resources: [deployments, statefulsets, replicasets]
  verbs: [get, list, watch]
- apiGroups: [apps]
  resources: [deployments/scale, statefulsets/scale, replicasets/scale]
  verbs: [get]
{{- range .Values.rbac.extraScaleResources }}
- apiGroups: [{{ .group }}]
  resources: [{{ .resource }}]
  verbs: [get, list, watch]
- apiGroups: [{{ .group }}]
  resources: [{{ .resource }}/scale]
  verbs: [get]
{{- end }}
{{- if .Values.rbac.readPods }}
# Ready counts and start-up times.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
{{- end }}
{{- if .Values.rbac.readQuotas }}
# Growth that a quota would refuse is not asked for.
- apiGroups: [""]
  resources: [resourcequotas]
  verbs: [list, watch]
{{- end }}
{{- end }}

{{/*
Part 2 of the permissions: what changing workloads takes. Granted only by a RoleBinding in each of enforce.namespaces.
*/}}
{{- define "foresail.enforceRules" -}}
- apiGroups: [apps]
  resources: [deployments/scale, statefulsets/scale, replicasets/scale]
  verbs: [get, patch, update]
{{- range .Values.rbac.extraScaleResources }}
- apiGroups: [{{ .group }}]
  resources: [{{ .resource }}/scale]
  verbs: [get, patch, update]
{{- end }}
# Actuation HorizontalPodAutoscalerFloor: the HPA's minReplicas and the annotation that keeps the original.
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, patch, update]
{{- end }}

{{/* The price book as its file. */}}
{{- define "foresail.priceBook" -}}
currency: {{ .Values.priceBook.currency }}
{{- with .Values.priceBook.rates }}
rates:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- with .Values.priceBook.default }}
default:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
