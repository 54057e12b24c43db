{{- /* Names of what lies in the release's namespace: the release's own, which says holdfast once. */ -}}
{{- define "holdfast.fullname" -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) | trunc 53 | trimSuffix "-" -}}
{{- end -}}

{{- /* Names of what belongs to the whole cluster: two releases of one name in two namespaces must not meet. */ -}}
{{- define "holdfast.clusterName" -}}
{{- printf "%s.%s" (include "holdfast.fullname" .) .Release.Namespace -}}
{{- end -}}

{{- define "holdfast.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "holdfast.labels" -}}
{{ include "holdfast.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: {{ .Chart.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
{{- end -}}

{{- define "holdfast.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "holdfast.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{- define "holdfast.registry" -}}
{{- with .Values.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- end -}}

{{- define "holdfast.image" -}}
{{- printf "%s%s:%s" (include "holdfast.registry" .) .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}

{{- /* The runner's images by key, as JSON: one list for the operator's settings and for the admission policy. */ -}}
{{- define "holdfast.runnerImages" -}}
{{- $registry := include "holdfast.registry" . -}}
{{- $images := dict -}}
{{- range $key, $image := .Values.runner.images -}}
{{- $_ := set $images $key (printf "%s%s" $registry $image) -}}
{{- end -}}
{{- toJson $images -}}
{{- end -}}

{{- /* The images that may have a claim mounted, as JSON: a database on a volume is SQLite's alone. */ -}}
{{- define "holdfast.claimImages" -}}
{{- $images := list -}}
{{- range $key, $image := include "holdfast.runnerImages" . | fromJson -}}
{{- if hasPrefix "sqlite-" $key }}{{ $images = append $images $image }}{{ end -}}
{{- end -}}
{{- toJson $images -}}
{{- end -}}

{{- /* What the Jobs' environment says of the proxy, as JSON: for the settings and for the admission policy. */ -}}
{{- define "holdfast.proxy" -}}
{{- $proxy := dict -}}
{{- range $name, $value := dict "HTTP_PROXY" .Values.proxy.httpProxy "HTTPS_PROXY" .Values.proxy.httpsProxy "NO_PROXY" .Values.proxy.noProxy -}}
{{- if $value }}{{ $_ := set $proxy $name $value }}{{ end -}}
{{- end -}}
{{- toJson $proxy -}}
{{- end -}}

{{- /* The operator's settings as JSON: holdfast/settings.py says what each means. */ -}}
{{- define "holdfast.settings" -}}
{{- dict
  "images" (include "holdfast.runnerImages" . | fromJson)
  "defaults" .Values.defaults
  "watchNamespaces" .Values.watchNamespaces
  "proxy" (include "holdfast.proxy" . | fromJson)
  "imagePullPolicy" .Values.runner.pullPolicy
  "ownUser" (not .Values.openshift)
  | toPrettyJson -}}
{{- end -}}

{{- /*
Whether the cluster confines the operator's Jobs. An offline rendering (helm template) knows no kinds at all;
kubeVersion then stands for the API, so that what is rendered for Git is never confined less than what is installed.
*/ -}}
{{- define "holdfast.confined" -}}
{{- $served := .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy" -}}
{{- $offline := not (.Capabilities.APIVersions.Has "v1/Pod") -}}
{{- if and .Values.admissionPolicy.enabled (or $served $offline) }}true{{ end -}}
{{- end -}}

{{- /* Whose requests the admission policies are about. */ -}}
{{- define "holdfast.byTheOperator" -}}
- name: by-the-operator
  expression: >-
    request.userInfo.username ==
    "system:serviceaccount:{{ .Release.Namespace }}:{{ include "holdfast.serviceAccountName" . }}"
{{- end -}}
