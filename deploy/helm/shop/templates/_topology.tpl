{{/* The contexts that the program knows. deploy/check holds this against the program. */}}
{{- define "shop.contexts" -}}
catalog customers inventory payments shipping orders notifications
{{- end -}}

{{/* The databases of a context, by its name. */}}
{{- define "shop.databases" -}}
{{- if eq . "payments" -}}payments testpsp{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{/*
The topology as JSON: {"processes": {name: the process's values, with its contexts expanded}, "hostedBy": {context: process}, "entry": process}. Fails where it cannot work.
*/}}
{{- define "shop.topology" -}}
{{- $known := splitList " " (include "shop.contexts" .) -}}
{{- $processes := dict -}}
{{- range $name, $process := .Values.processes -}}
  {{- if $process -}}{{- $_ := set $processes $name $process -}}{{- end -}}
{{- end -}}
{{- if not $processes -}}
  {{- $processes = dict "monolith" (dict "contexts" (list "all") "replicas" 2) -}}
{{- end -}}
{{- $expanded := dict -}}
{{- $hostedBy := dict -}}
{{- range $name := keys $processes | sortAlpha -}}
  {{- $process := get $processes $name -}}
  {{- $hosted := list -}}
  {{- range $i, $item := $process.contexts -}}
    {{- if eq $item "all" -}}
      {{- $hosted = $known -}}
    {{- else if hasPrefix "-" $item -}}
      {{- if eq $i 0 -}}{{- fail (printf "processes.%s.contexts begins with what to leave out; say [all, %s]" $name $item) -}}{{- end -}}
      {{- $hosted = without $hosted (trimPrefix "-" $item) -}}
    {{- else -}}
      {{- $hosted = append $hosted $item -}}
    {{- end -}}
  {{- end -}}
  {{- $ordered := list -}}
  {{- range $known -}}
    {{- if has . $hosted -}}
      {{- $ordered = append $ordered . -}}
      {{- if hasKey $hostedBy . -}}
        {{- fail (printf "%s is hosted twice, by processes.%s and processes.%s" . (get $hostedBy .) $name) -}}
      {{- end -}}
      {{- $_ := set $hostedBy . $name -}}
    {{- end -}}
  {{- end -}}
  {{- if not $ordered -}}{{- fail (printf "processes.%s hosts no context" $name) -}}{{- end -}}
  {{- with $process.hpa -}}
    {{- if gt (int .minReplicas) (int .maxReplicas) -}}{{- fail (printf "processes.%s.hpa: minReplicas is more than maxReplicas" $name) -}}{{- end -}}
  {{- end -}}
  {{- $_ := set $expanded $name (merge (dict "contexts" $ordered) (omit $process "contexts")) -}}
{{- end -}}
{{- range $known -}}
  {{- if not (hasKey $hostedBy .) -}}{{- fail (printf "no process hosts %s" .) -}}{{- end -}}
{{- end -}}
{{- $several := gt (len $expanded) 1 -}}
{{- if and $several (not .Values.bus.url) (not .Values.bus.existingSecret) -}}
  {{- fail "several processes need a broker to meet over: set bus.url or bus.existingSecret" -}}
{{- end -}}
{{- $entry := .Values.entry -}}
{{- if and (not $entry) (not $several) -}}{{- $entry = keys $expanded | first -}}{{- end -}}
{{- if not $entry -}}{{- fail "several processes: name the one where requests come in, in entry" -}}{{- end -}}
{{- if not (hasKey $expanded $entry) -}}{{- fail (printf "entry: there is no process %s" $entry) -}}{{- end -}}
{{- dict "processes" $expanded "hostedBy" $hostedBy "entry" $entry | toJson -}}
{{- end -}}

{{/* Where the others find a process. Of (dict "root" $ "name" process). */}}
{{- define "shop.processURL" -}}
http://{{ include "shop.processName" . }}:8080
{{- end -}}
