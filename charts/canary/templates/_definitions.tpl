{{/* The chart's name, unless overridden. */}}
{{- define "canary.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of the objects. 45 characters leave room for what is put after it. */}}
{{- define "canary.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 45 | trimSuffix "-" -}}
{{- else if contains (include "canary.name" .) .Release.Name -}}
{{- .Release.Name | trunc 45 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "canary.name" .) | trunc 45 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "canary.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "canary.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* What the pods are found by; it must never change. */}}
{{- define "canary.selectorLabels" -}}
app.kubernetes.io/name: {{ include "canary.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: controller
{{- end -}}

{{- define "canary.labels" -}}
{{- $own := include "canary.selectorLabels" . | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/part-of" "canary" -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .Release.Service -}}
{{- $_ := set $own "app.kubernetes.io/version" .Chart.AppVersion -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") -}}
{{- toYaml (merge $own .Values.commonLabels) -}}
{{- end -}}

{{- define "canary.image" -}}
{{- $repository := required "image.repository: name the repository that you pushed the image to" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "canary.electsLeader" -}}
{{- if dig "leadership" "enabled" true .Values.config -}}true{{- end -}}
{{- end -}}

{{- define "canary.port" -}}
{{- dig "http" "port" 8080 .Values.config | int -}}
{{- end -}}

{{- define "canary.pagePort" -}}
{{- dig "page" "port" 8081 .Values.config | int -}}
{{- end -}}

{{/* The controller's configuration file. What the RBAC rules rest on is decided here, not in the values. */}}
{{- define "canary.settings" -}}
{{- $url := required "config.prometheus.url: name the Prometheus that has Istio's metrics, such as http://prometheus.monitoring:9090" .Values.config.prometheus.url -}}
{{- $decided := dict
    "prometheus" (dict "url" $url)
    "kubernetes" (dict "namespaces" .Values.namespaces)
    "leadership" (dict "name" (include "canary.fullname" .) "namespace" .Release.Namespace)
    "page" (dict "enabled" .Values.page.enabled)
-}}
{{- toYaml (mergeOverwrite (deepCopy .Values.config) $decided) -}}
{{- end -}}

{{/*
All that the controller does in a namespace that it looks after, and nothing else: a test compares this with
the requests of whole releases.
*/}}
{{- define "canary.rules" -}}
# Who has opted in, what selects which pods, and whether the namespace is in ambient mode.
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
# Both workloads: their rollout, promotion, and scaling the canary down.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, patch]
# Which revision a workload runs, and why it does not get ready.
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [list]
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
# The weights; by name those that another namespace shares.
- apiGroups: [networking.istio.io]
  resources: [virtualservices]
  verbs: [get, list, patch]
- apiGroups: [networking.istio.io]
  resources: [destinationrules]
  verbs: [list]
# What stands behind annotations; read again, live, before a release begins.
- apiGroups: [canaryctl.dev]
  resources: [releasepolicies]
  verbs: [get, list, watch]
# Its own memory. The spec of a release is written once; later it belongs to people.
- apiGroups: [canaryctl.dev]
  resources: [releases]
  verbs: [get, list, watch, create, delete]
- apiGroups: [canaryctl.dev]
  resources: [releases/status]
  verbs: [update]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
