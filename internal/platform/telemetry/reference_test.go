package telemetry_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"shop/internal/platform/telemetry"
)

func TestTheReferenceNamesEverySpanAndAttribute(t *testing.T) {
	page, err := os.ReadFile("../../../docs/reference/traces.md")
	require.NoError(t, err)
	file, err := parser.ParseFile(token.NewFileSet(), "names.go", nil, 0)
	require.NoError(t, err)
	ours := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !spec.Names[0].IsExported() {
			return true
		}
		ast.Inspect(spec, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				name, err := strconv.Unquote(lit.Value)
				require.NoError(t, err)
				ours++
				require.True(t, strings.Contains(string(page), "`"+name+"`") || strings.Contains(string(page), "`"+name+" "), "%s is not in docs/reference/traces.md", name)
			}
			return true
		})
		return true
	})
	require.Greater(t, ours, 20)
	for _, key := range []string{
		string(telemetry.ErrorType), string(telemetry.HTTPMethod), string(telemetry.HTTPRoute), string(telemetry.HTTPStatusCode), string(telemetry.URLPath), string(telemetry.URLScheme), string(telemetry.URLFull),
		string(telemetry.ServerAddress), string(telemetry.ServerPort), string(telemetry.MessagingSystem), string(telemetry.MessagingDestination), string(telemetry.MessagingOperation), string(telemetry.MessagingType),
		string(telemetry.MessagingGroup), string(telemetry.MessageID), string(telemetry.DBSystem), string(telemetry.DBNamespace), string(telemetry.DBSummary), string(telemetry.DBBatchSize), string(telemetry.DBStatusCode),
		string(semconv.ServiceNameKey), string(semconv.ServiceVersionKey), string(semconv.ServiceInstanceIDKey),
	} {
		require.Contains(t, string(page), "`"+key+"`")
	}
}
