{{/* Name of the operator's objects in its namespace. */}}
{{- define "anyray.name" -}}
{{- if hasSuffix "operator" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-operator{{ end }}
{{- end }}

{{/* Name of its cluster-scoped objects: a release of the same name in another namespace has others. */}}
{{- define "anyray.clusterName" -}}
{{- include "anyray.name" . }}.{{ .Release.Namespace }}
{{- end }}

{{- define "anyray.serviceAccountName" -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) }}
{{- fail "serviceAccount.name is required where serviceAccount.create is false: name the ServiceAccount that the operator runs as" }}
{{- end }}
{{- .Values.serviceAccount.name | default (include "anyray.name" .) }}
{{- end }}

{{- define "anyray.selectorLabels" -}}
app.kubernetes.io/name: anyray-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "anyray.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "anyray.selectorLabels" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: anyray
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "anyray.podLabels" -}}
{{- range $name, $_ := .Values.podLabels }}
{{- if or (hasPrefix "app.kubernetes.io/" $name) (hasPrefix "anyray.ai/" $name) }}
{{- fail (printf "podLabels: %s begins with app.kubernetes.io/ or anyray.ai/: those labels say what a pod is, choose another name" $name) }}
{{- end }}
{{- end }}
{{- toYaml .Values.podLabels }}
{{- end }}

{{/* An image's full reference; takes a dict of `root` and `image`. */}}
{{- define "anyray.image" -}}
{{- with .root.Values.registry | trimSuffix "/" }}{{ . }}/{{ end -}}
{{- .image.repository -}}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag | default .root.Values.tag | default .root.Chart.AppVersion }}{{ end -}}
{{- end }}

{{/* "true" where a cluster-scoped extra is wanted, by its own switch or, unset, by the mode; takes a dict of `root` and `switch`. */}}
{{- define "anyray.isWanted" -}}
{{- if kindIs "bool" .switch }}{{ if .switch }}true{{ end }}{{ else if not .root.Values.watchNamespaces }}true{{ end }}
{{- end }}

{{/* All that the operator may do, in every namespace that it serves. What it makes goes with its owner; only a code that is of no more use is deleted. */}}
{{- define "anyray.operatorRules" -}}
# What it serves, and where it reports.
- apiGroups: [anyray.ai]
  resources: [anyraygateways, providerkeys, invites, clientkeys]
  verbs: [get, list, watch]
- apiGroups: [anyray.ai]
  resources: [anyraygateways/status, providerkeys/status, invites/status, clientkeys/status]
  verbs: [get, patch]
# To own objects in a way that holds a deletion back until they are gone.
- apiGroups: [anyray.ai]
  resources: [anyraygateways/finalizers]
  verbs: [update]
# What a gateway is made of. It also reads the ConfigMaps that gateways and ProviderKeys name.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [services, configmaps, serviceaccounts]
  verbs: [get, list, watch, create, patch]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [get, list, watch, create, patch]
# The Secrets that gateways and ProviderKeys name, and those that it makes.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch, delete]
# What it only hands on: nobody can give a gateway's pods rights that they do not have themselves.
# `serve` and `own` are rights on nothing that exists; the policy for gateways asks for them.
- apiGroups: [anyray.ai]
  resources: [invites, clientkeys]
  verbs: [create, delete]
- apiGroups: [anyray.ai]
  resources: [invites/status]
  verbs: [update]
- apiGroups: [anyray.ai]
  resources: [anyraygateways/clients]
  verbs: [serve, own]
# To ask which configuration runs, and to make the kubelet fetch a new one at once.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}
