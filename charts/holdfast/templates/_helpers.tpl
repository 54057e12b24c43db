{{- /*
A value that is null means its default, as if the line were not there: Helm takes it for the wish to have none at all.
files/values.yaml is values.yaml, which a template cannot read. Each template begins with this; what is null in maps of
people's own, as in defaults, is left out. Only an entry of runner.images may be null to be none.
*/ -}}
{{- define "holdfast.fill" -}}
{{- include "holdfast.fillFrom" (list .Values (.Files.Get "files/values.yaml" | fromYaml)) -}}
{{- include "holdfast.withoutNull" .Values -}}
{{- end -}}

{{- define "holdfast.fillFrom" -}}
{{- $into := index . 0 -}}
{{- range $name, $default := index . 1 -}}
{{- if not (hasKey $into $name) -}}
{{- $_ := set $into $name $default -}}
{{- else if kindIs "invalid" (index $into $name) -}}
{{- $_ := set $into $name $default -}}
{{- else if and (kindIs "map" $default) (ne $name "images") -}}
{{- include "holdfast.fillFrom" (list (index $into $name) $default) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "holdfast.withoutNull" -}}
{{- $map := . -}}
{{- range $name, $value := . -}}
{{- if kindIs "invalid" $value -}}
{{- $_ := unset $map $name -}}
{{- else if kindIs "map" $value -}}
{{- include "holdfast.withoutNull" $value -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "holdfast.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 53 | trimSuffix "-" -}}
{{- end -}}

{{- /* Names of what lies in the release's namespace: the release's own, which says holdfast once. */ -}}
{{- define "holdfast.fullname" -}}
{{- $name := include "holdfast.name" . -}}
{{- $made := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- .Values.fullnameOverride | default $made | trunc 53 | trimSuffix "-" -}}
{{- end -}}

{{- /* Names of what belongs to the whole cluster: two releases of one name in two namespaces must not meet. */ -}}
{{- define "holdfast.clusterName" -}}
{{- printf "%s.%s" (include "holdfast.fullname" .) .Release.Namespace -}}
{{- end -}}

{{- define "holdfast.selectorLabels" -}}
app.kubernetes.io/name: {{ include "holdfast.name" . }}
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
{{- with .Values.image.digest }}@{{ . }}{{ end -}}
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
  "stores" .Values.stores
  "queue" .Values.queue
  "deletion" (dict "letGoSeconds" (int .Values.deletion.letGoSeconds))
  "migrationGate" (dict "enabled" .Values.migrationGate.enabled "keepSeconds" (int .Values.migrationGate.keepSeconds))
  "watchNamespaces" .Values.watchNamespaces
  "proxy" (include "holdfast.proxy" . | fromJson)
  "imagePullPolicy" .Values.runner.pullPolicy
  "retentionGraceSeconds" (int .Values.retention.graceSeconds)
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

{{- /* Whether a deletion by hand of what is of production has to be confirmed. */ -}}
{{- define "holdfast.guarded" -}}
{{- $served := .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy" -}}
{{- $offline := not (.Capabilities.APIVersions.Has "v1/Pod") -}}
{{- if and .Values.productionGuard.enabled (or $served $offline) }}true{{ end -}}
{{- end -}}

{{- /* The deletionPolicy in force of a policy or a backup, in CEL. */ -}}
{{- define "holdfast.deletionPolicy" -}}
{{ . }}.?spec.?deletionPolicy.or({{ . }}.?status.?resolved.?deletionPolicy).orValue("Retain")
{{- end -}}

{{- /* Whose requests the admission policies are about. */ -}}
{{- define "holdfast.byTheOperator" -}}
- name: by-the-operator
  expression: >-
    request.userInfo.username ==
    "system:serviceaccount:{{ .Release.Namespace }}:{{ include "holdfast.serviceAccountName" . }}"
{{- end -}}

{{- /* Whether a Job says that it deletes what no resource stands for any more, in CEL. */}}
{{- define "holdfast.deletion" -}}
{{ . }}.metadata.?labels[?"holdfast.dev/task"].orValue("") == "delete"
{{- end -}}

{{- /* Whether a change is one of a Job of somebody else's that asks to be held until there is a backup, in CEL. */}}
{{- define "holdfast.ofMigration" -}}
request.operation == "UPDATE"
&& dyn(oldObject).metadata.?labels[?"holdfast.dev/backup-first"].hasValue()
&& dyn(oldObject).metadata.?labels[?"app.kubernetes.io/managed-by"].orValue("") != "holdfast"
{{- end -}}

{{- /* Who made a Job, where it says so, in CEL: an optional text. */}}
{{- define "holdfast.madeBy" -}}
{{ . }}.metadata.?annotations[?"holdfast.dev/made-by"]
{{- end -}}
