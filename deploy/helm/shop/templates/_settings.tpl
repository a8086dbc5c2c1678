{{/* The settings of one process. Of (dict "root" $ "topology" … "name" process). */}}
{{- define "shop.settings" -}}
{{- $root := .root -}}
{{- $values := .root.Values -}}
{{- $topology := .topology -}}
{{- $name := .name -}}
{{- $process := get $topology.processes $name -}}
{{- $entry := eq $topology.entry $name -}}
- name: OTEL_SERVICE_NAME
  value: {{ printf "shop-%s" $name }}
- name: SHOP_ADDR
  value: ":8080"
- name: SHOP_ADMIN_ADDR
  value: ":8081"
- name: SHOP_LOG_LEVEL
  value: {{ $values.logLevel }}
- name: SHOP_CONTEXTS
  value: {{ if eq (len $process.contexts) (len $topology.hostedBy) }}all{{ else }}{{ join "," $process.contexts }}{{ end }}
{{- range $context := keys $topology.hostedBy | sortAlpha }}
{{- $by := get $topology.hostedBy $context }}
{{- if ne $by $name }}
- name: SHOP_{{ upper $context }}_URL
  value: {{ include "shop.processURL" (dict "root" $root "name" $by) }}
{{- end }}
{{- end }}
{{- include "shop.databaseVariables" (dict "secret" $values.database.existingSecret "perContext" $values.database.perContext "key" $values.database.key "contexts" $process.contexts) }}
{{- include "shop.urlVariable" (dict "name" "SHOP_BUS_URL" "from" $values.bus) }}
{{- include "shop.urlVariable" (dict "name" "SHOP_CACHE_URL" "from" $values.cache) }}
{{- include "shop.tokenVariables" $root }}
{{- if and (has "notifications" $process.contexts) $values.mail.existingSecret }}
{{- include "shop.urlVariable" (dict "name" "SHOP_SMTP_URL" "from" $values.mail) }}
- name: SHOP_MAIL_FROM
  value: {{ required "mail.from: who writes to customers is needed" $values.mail.from | quote }}
{{- end }}
{{- $networks := ternary $values.trustedProxies.entry $values.trustedProxies.others $entry }}
{{- with $networks }}
- name: SHOP_TRUSTED_PROXIES
  value: {{ join "," . | quote }}
{{- end }}
{{- range $limit := list "customer" "address" "staff" "failures" }}
{{- $n := get $values.rateLimits $limit }}
{{- if not (kindIs "invalid" $n) }}
- name: SHOP_RATE_LIMIT_{{ upper $limit }}
  value: {{ int64 $n | quote }}
{{- end }}
{{- end }}
{{- if not (kindIs "invalid" $values.maxConcurrent) }}
- name: SHOP_MAX_CONCURRENT
  value: {{ int64 $values.maxConcurrent | quote }}
{{- end }}
{{- include "shop.telemetryVariables" $values.telemetry }}
{{- with $values.env }}
{{ toYaml . }}
{{- end }}
{{- with $process.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* A shop that listens beyond its machine believes an issuer's tokens, or it does not start: rather say so here. */}}
{{- define "shop.tokenVariables" -}}
{{- $tokens := .Values.tokens -}}
{{- if not (and $tokens.issuer $tokens.audience) -}}{{- fail "tokens.issuer and tokens.audience are needed: whose tokens are believed" -}}{{- end -}}
{{- if eq (empty $tokens.jwksURL) (empty $tokens.existingSecret) -}}{{- fail "tokens.jwksURL or tokens.existingSecret is needed, one of them: where the issuer's keys are" -}}{{- end }}
- name: SHOP_JWT_ISSUER
  value: {{ $tokens.issuer | quote }}
- name: SHOP_JWT_AUDIENCE
  value: {{ $tokens.audience | quote }}
{{- if $tokens.existingSecret }}
- name: SHOP_JWT_KEYS
  value: /keys/{{ $tokens.key }}
{{- else }}
- name: SHOP_JWT_JWKS_URL
  value: {{ $tokens.jwksURL | quote }}
{{- end }}
{{- with $tokens.types }}
- name: SHOP_JWT_TYPES
  value: {{ join "," . | quote }}
{{- end }}
{{- with $tokens.leeway }}
- name: SHOP_JWT_LEEWAY
  value: {{ . }}
{{- end }}
{{- with $tokens.roleClaim }}
- name: SHOP_JWT_ROLE_CLAIM
  value: {{ . | quote }}
{{- end }}
{{- with $tokens.defaultRole }}
- name: SHOP_JWT_DEFAULT_ROLE
  value: {{ . }}
{{- end }}
{{- end -}}

{{/* What is sent to a collector. */}}
{{- define "shop.telemetryVariables" -}}
{{- if .otlpEndpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ .otlpEndpoint | quote }}
- name: OTEL_METRICS_EXPORTER
  value: {{ ternary "otlp" "none" .metrics }}
{{- else if .metrics }}{{- fail "telemetry.metrics: telemetry.otlpEndpoint is needed, where they are sent" -}}
{{- end }}
{{- with .sampler }}
- name: OTEL_TRACES_SAMPLER
  value: {{ . }}
{{- end }}
{{- with .samplerArg | toString }}
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ . | quote }}
{{- end }}
{{- end -}}
