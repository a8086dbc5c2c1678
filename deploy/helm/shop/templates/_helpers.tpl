{{- define "shop.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 38 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 38 characters, so that with the name of a process it is still a DNS label. */}}
{{- define "shop.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}{{- $name = .Values.fullnameOverride -}}
{{- else if contains $name .Release.Name -}}{{- $name = .Release.Name -}}
{{- else -}}{{- $name = printf "%s-%s" .Release.Name $name -}}
{{- end -}}
{{- $name | trunc 38 | trimSuffix "-" -}}
{{- end -}}

{{/* Of (dict "root" $ "name" process). */}}
{{- define "shop.processName" -}}
{{ include "shop.fullname" .root }}-{{ .name }}
{{- end -}}

{{/* Of every process, and of nothing else. */}}
{{- define "shop.selector" -}}
app.kubernetes.io/name: {{ include "shop.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Of one process. Of (dict "root" $ "name" process). */}}
{{- define "shop.processSelector" -}}
{{ include "shop.selector" .root }}
app.kubernetes.io/component: {{ .name }}
{{- end -}}

{{- define "shop.commonLabels" -}}
app.kubernetes.io/part-of: shop
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Of what belongs to the whole. */}}
{{- define "shop.labels" -}}
{{ include "shop.selector" . }}
{{ include "shop.commonLabels" . }}
{{- end -}}

{{/* Of what belongs to one process. Of (dict "root" $ "name" process). */}}
{{- define "shop.processLabels" -}}
{{ include "shop.processSelector" . }}
{{ include "shop.commonLabels" .root }}
{{- end -}}

{{/* The migrations are not one of the processes: nobody has to reach them. */}}
{{- define "shop.migrationsSelector" -}}
app.kubernetes.io/name: {{ include "shop.name" . }}-migrations
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "shop.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "shop.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}{{ .Values.serviceAccount.name | default (include "shop.fullname" .) }}{{- else -}}{{ .Values.serviceAccount.name | default "default" }}{{- end -}}
{{- end -}}

{{- define "shop.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "shop.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* A variable whose value stands in the values, or in a secret. Of (dict "name" … "from" the values with url, existingSecret and key). */}}
{{- define "shop.urlVariable" -}}
{{- if and .from.url .from.existingSecret -}}{{- fail (printf "%s: give the URL or the secret, not both" .name) -}}{{- end -}}
{{- if .from.existingSecret }}
- name: {{ .name }}
  valueFrom: {secretKeyRef: {name: {{ .from.existingSecret }}, key: {{ .from.key }}}}
{{- else if .from.url }}
- name: {{ .name }}
  value: {{ .from.url | quote }}
{{- end -}}
{{- end -}}

{{/* The URLs of databases. Of (dict "secret" name "perContext" bool "key" key "contexts" those hosted). */}}
{{- define "shop.databaseVariables" -}}
{{- $secret := required "database.existingSecret: the secret with the URL of the database is needed" .secret -}}
{{- $key := .key -}}
{{- if .perContext -}}
{{- range .contexts }}
{{- range splitList " " (include "shop.databases" .) }}
- name: SHOP_{{ upper . }}_DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ . }}}}
{{- end }}
{{- end }}
{{- else }}
- name: SHOP_DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ $key }}}}
{{- end -}}
{{- end -}}
