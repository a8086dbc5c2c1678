package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// promtool is Prometheus' own, in the version that promtool/go.mod names. It is a module beside this one, so that what Prometheus needs decides nothing about Helm's libraries, and it
// is built without the discovery of services, for which it would need those of every cloud.
var promtool = sync.OnceValues(func() (string, error) {
	built := filepath.Join(filepath.Dir(program), "promtool")
	build := exec.Command("go", "build", "-tags", "remove_all_sd", "-o", built, "github.com/prometheus/prometheus/cmd/promtool")
	build.Dir, build.Stderr = "promtool", os.Stderr
	return built, build.Run()
})

// withPromtool runs promtool in deploy/prometheus and returns what it says.
func withPromtool(t *testing.T, args ...string) string {
	t.Helper()
	tool, err := promtool()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), tool, args...)
	cmd.Dir = filepath.Join("..", "prometheus")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}

func TestPrometheusTakesTheRules(t *testing.T) {
	require.Contains(t, withPromtool(t, "check", "rules", "--lint=all", "--lint-fatal", "alerts.yaml"), "SUCCESS")
}

func TestEveryAlertFiresWhenItShouldAndStaysSilentWhenItShould(t *testing.T) {
	for _, file := range []string{"alerts_test.yaml", "alerts_days_test.yaml"} {
		require.Contains(t, withPromtool(t, "test", "rules", file), "SUCCESS")
	}
}
