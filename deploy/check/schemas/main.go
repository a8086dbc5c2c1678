// Command schemas writes testdata/kubernetes.json: the JSON schemas of the kinds that the chart renders, out of the OpenAPI document that Kubernetes publishes with its source. Tests
// then need neither that source nor a network. Run it in deploy/check, with the release to take:
//
//	go run ./schemas v1.37.0
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// kinds are the roots; what they refer to comes along.
var kinds = []string{
	"io.k8s.api.core.v1.Service", "io.k8s.api.core.v1.ServiceAccount", "io.k8s.api.core.v1.ConfigMap", "io.k8s.api.apps.v1.Deployment", "io.k8s.api.batch.v1.Job",
	"io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler", "io.k8s.api.policy.v1.PodDisruptionBudget", "io.k8s.api.networking.v1.NetworkPolicy", "io.k8s.api.networking.v1.Ingress",
}

const definitions = "#/definitions/"

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./schemas VERSION")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(version string) error {
	source, err := download(version)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(filepath.Join(source, "api", "openapi-spec", "swagger.json"))
	if err != nil {
		return err
	}
	var swagger struct {
		Definitions map[string]any `json:"definitions"`
	}
	if err := json.Unmarshal(data, &swagger); err != nil {
		return err
	}
	taken := map[string]any{}
	for _, kind := range kinds {
		if err := take(swagger.Definitions, taken, kind); err != nil {
			return err
		}
	}
	out, err := json.MarshalIndent(map[string]any{"$comment": "Kubernetes " + version + ", Apache License 2.0; written by go run ./schemas", "definitions": taken}, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join("testdata", "kubernetes.json"), append(out, '\n'), 0o644)
}

func download(version string) (dir string, err error) {
	cmd := exec.Command("go", "mod", "download", "-json", "k8s.io/kubernetes@"+version)
	cmd.Dir = os.TempDir() // outside of any module: it is none of this one's dependencies
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", err
	}
	var module struct{ Dir string }
	return module.Dir, json.Unmarshal(out, &module)
}

// take copies a definition and all that it refers to, and closes it: what it does not name is an error.
func take(from, to map[string]any, name string) error {
	if _, done := to[name]; done {
		return nil
	}
	definition, ok := from[name].(map[string]any)
	if !ok {
		return fmt.Errorf("there is no definition %s", name)
	}
	to[name] = definition
	if _, ok := definition["properties"]; ok {
		definition["additionalProperties"] = false
	}
	switch {
	case strings.HasSuffix(name, ".Quantity"):
		definition["type"] = []string{"string", "number"} // as the API server takes it
	case strings.HasSuffix(name, ".IntOrString"):
		definition["type"] = []string{"string", "integer"}
	}
	for _, other := range trim(definition) {
		if err := take(from, to, other); err != nil {
			return err
		}
	}
	return nil
}

// trim leaves out what does not judge, and returns the definitions that are referred to.
func trim(node any) (refers []string) {
	switch node := node.(type) {
	case map[string]any:
		if text, ok := node["description"].(string); ok && text != "" {
			delete(node, "description")
		}
		for key, value := range node {
			if strings.HasPrefix(key, "x-kubernetes") {
				delete(node, key)
				continue
			}
			if ref, ok := value.(string); ok && key == "$ref" {
				refers = append(refers, strings.TrimPrefix(ref, definitions))
				continue
			}
			refers = append(refers, trim(value)...)
		}
	case []any:
		for _, value := range node {
			refers = append(refers, trim(value)...)
		}
	}
	return refers
}
