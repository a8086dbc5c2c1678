package check

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// workflow is what is looked at here. YAML takes the key "on" for true.
type workflow struct {
	On struct {
		Push, PullRequest struct{ Paths []string }
	}
	Jobs map[string]struct {
		Uses  string
		With  map[string]string
		Steps []struct{ Uses string }
	}
}

func workflows(t *testing.T) map[string]workflow {
	t.Helper()
	files, err := filepath.Glob("../../.github/workflows/*.yaml")
	require.NoError(t, err)
	found := map[string]workflow{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		var raw map[string]any
		require.NoError(t, yaml.Unmarshal(b, &raw), file)
		if triggers, ok := raw["true"].(map[string]any); ok {
			raw["on"], triggers["pullRequest"] = triggers, triggers["pull_request"]
		}
		again, err := yaml.Marshal(raw)
		require.NoError(t, err)
		var w workflow
		require.NoError(t, yaml.Unmarshal(again, &w), file)
		found[strings.TrimSuffix(filepath.Base(file), ".yaml")] = w
	}
	return found
}

// matches reports whether a path filter, of the few forms that are used, takes a file.
func matches(filters []string, file string) bool {
	for _, f := range filters {
		if dir, ok := strings.CutSuffix(f, "/**"); ok && strings.HasPrefix(file, dir+"/") {
			return true
		}
		if ok, err := path.Match(f, file); err == nil && ok {
			return true
		}
	}
	return false
}

func TestAContextIsTestedWhenAnythingChangesThatItIsMadeOf(t *testing.T) {
	all := workflows(t)
	for _, name := range contexts(t) {
		w, ok := all[name]
		require.True(t, ok, "%s has no workflow", name)
		require.Equal(t, "./.github/workflows/context.yaml", w.Jobs["context"].Uses)
		require.Equal(t, name, w.Jobs["context"].With["context"])
		require.Equal(t, w.On.Push.Paths, w.On.PullRequest.Paths)

		list := exec.Command("go", "list", "-deps", "-test", "-f", "{{.ImportPath}}", "./internal/"+name+"/...")
		list.Dir = "../.."
		out, err := list.Output()
		require.NoError(t, err)
		for line := range strings.Lines(string(out)) {
			imported, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			if dir, ours := strings.CutPrefix(strings.TrimSuffix(imported, ".test"), "shop/"); ours {
				require.True(t, matches(w.On.Push.Paths, dir+"/x.go"), "%s is made of %s too", name, dir)
			}
		}
		for _, file := range []string{"go.mod", "go.sum", "migrations/platform/0001_x.sql", "migrations/" + name + "/0001_x.sql", ".github/workflows/" + name + ".yaml", ".github/workflows/context.yaml"} {
			require.True(t, matches(w.On.Push.Paths, file), "%s: %s", name, file)
		}
		require.False(t, matches(w.On.Push.Paths, "docs/adr/README.md"))
		require.False(t, matches(w.On.Push.Paths, "internal/console/x.go"))
	}
	require.True(t, matches(all["payments"].On.Push.Paths, "migrations/testpsp/0001_x.sql"))
	require.True(t, matches(all["deploy"].On.Push.Paths, "deploy/helm/shop/values.yaml"))
}

func TestAllWorkflowsUseTheSameVersionsOfActions(t *testing.T) {
	version := map[string]string{}
	for name, w := range workflows(t) {
		for _, job := range w.Jobs {
			for _, step := range job.Steps {
				action, v, ok := strings.Cut(step.Uses, "@")
				if !ok {
					continue
				}
				if version[action] == "" {
					version[action] = v
				}
				require.Equal(t, version[action], v, "%s in %s", action, name)
			}
		}
	}
	require.NotEmpty(t, version)
}
