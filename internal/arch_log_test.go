package arch

import (
	"go/ast"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// ofTheProcess are functions whose context is that of the process: it ends their work, and leads to no request or message.
var ofTheProcess = map[string]bool{
	"cmd/shop/metering.go:closeMetering":                    true,
	"cmd/shop/serve.go:serve":                               true,
	"internal/platform/bus/amqpbus/subscriber.go:run":       true,
	"internal/platform/bus/deadletters.go:replayLoop":       true,
	"internal/platform/bus/endpoint.go:lead":                true,
	"internal/platform/bus/endpoint.go:notifyLoop":          true,
	"internal/platform/bus/endpoint.go:forgetLoop":          true,
	"internal/platform/bus/natsbus/group.go:nextGeneration": true,
	"internal/platform/bus/natsbus/stream.go:createStream":  true,
	"internal/platform/bus/relay.go:run":                    true,
	"internal/platform/bus/turn.go:consumeWhileLeading":     true,
	"internal/platform/telemetry/metering.go:OpenMetering":  true,
	"internal/platform/telemetry/tracing.go:OpenTracing":    true,
}

// logLaw: a line that is written where a request or a message is at hand says which: its trace, its message, its order. And no line writes a whole value, of which nobody knows what is
// in it.
var logLaw = rule{"each line of the log leads to what it was written for", func(h *tree) []string {
	telling := h.telling()
	var complaints []string
	for _, f := range h.files {
		if !h.logs(f) {
			continue
		}
		for _, declared := range f.syntax.Decls {
			fn, ok := declared.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			inContext := hasContext(fn.Type) && !ofTheProcess[f.path+":"+fn.Name.Name]
			complaints = append(complaints, f.untold(fn.Body, inContext, telling[f.dir()])...)
		}
	}
	return complaints
}}

// logs reports the files that the law is for: the program's own. What measures, simulates or supports tests has no log of the shop's.
func (h *tree) logs(f *file) bool {
	from := h.roomOf(f.dir())
	judged := []kind{program, heart, private, edge, platform}
	return !f.test() && !isTestSupport(f.dir()) && slices.Contains(judged, from.kind)
}

// telling are the functions of each package whose fields lead to a request or message: those that call telemetry.Fields or FieldsOf.
func (h *tree) telling() map[string]map[string]bool {
	all := map[string]map[string]bool{}
	for _, f := range h.files {
		for _, declared := range f.syntax.Decls {
			if fn, ok := declared.(*ast.FuncDecl); ok && fn.Body != nil && tells(fn.Body, nil) {
				if all[f.dir()] == nil {
					all[f.dir()] = map[string]bool{}
				}
				all[f.dir()][fn.Name.Name] = true
			}
		}
	}
	return all
}

// untold are the lines below a node that do not say for what they are written, although inContext. Of a function literal its own parameters count too.
func (f *file) untold(body ast.Node, inContext bool, telling map[string]bool) []string {
	var complaints []string
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			complaints = append(complaints, f.untold(n.Body, inContext || hasContext(n.Type), telling)...)
			return false
		case *ast.CallExpr:
			if !isLine(n) {
				return true
			}
			told := false
			for _, arg := range n.Args {
				told = told || tells(arg, telling)
				if whole := wholeValue(arg); whole != "" {
					complaints = append(complaints, f.at(n.Pos(), "a line with zap.%s: nobody knows what is in a whole value; name its parts", whole))
				}
			}
			if inContext && !told {
				complaints = append(complaints, f.at(n.Pos(), "a line of the log that does not say for what it is written: add telemetry.Fields(ctx)"))
			}
		}
		return true
	})
	return complaints
}

// hasContext reports whether a function is given a context or a request.
func hasContext(fn *ast.FuncType) bool {
	for _, p := range fn.Params.List {
		t := p.Type
		if star, ok := t.(*ast.StarExpr); ok {
			t = star.X
		}
		if sel, ok := t.(*ast.SelectorExpr); ok {
			if pkg, ok := sel.X.(*ast.Ident); ok && (pkg.Name+"."+sel.Sel.Name == "context.Context" || pkg.Name+"."+sel.Sel.Name == "http.Request") {
				return !unnamed(p)
			}
		}
	}
	return false
}

// unnamed reports a parameter that cannot be used.
func unnamed(p *ast.Field) bool {
	return len(p.Names) == 0 || len(p.Names) == 1 && p.Names[0].Name == "_"
}

var lineMethods = []string{"Debug", "Info", "Warn", "Error", "DPanic", "Panic", "Fatal", "Log"}

// isLine reports a call such as m.log.Warn(…) of what is called a log or logger.
func isLine(call *ast.CallExpr) bool {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !slices.Contains(lineMethods, method.Sel.Name) {
		return false
	}
	name := ""
	switch on := method.X.(type) {
	case *ast.Ident:
		name = on.Name
	case *ast.SelectorExpr:
		name = on.Sel.Name
	}
	name = strings.ToLower(name)
	return name == "log" || name == "logger" || strings.HasSuffix(name, ".log")
}

// tells reports whether fields among the expression come from telemetry, directly or through one of the package's functions.
func tells(n ast.Node, telling map[string]bool) (found bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		switch fn := call.Fun.(type) {
		case *ast.SelectorExpr:
			pkg, _ := fn.X.(*ast.Ident)
			direct := pkg != nil && pkg.Name == "telemetry" && (fn.Sel.Name == "Fields" || fn.Sel.Name == "FieldsOf")
			found = found || direct || telling[fn.Sel.Name]
		case *ast.Ident:
			found = found || telling[fn.Name]
		}
		return true
	})
	return found
}

// wholeValue is the zap function by which an argument writes a whole value; empty when it does not. What a panic was called with is nobody's value.
func wholeValue(arg ast.Expr) string {
	call, ok := arg.(*ast.CallExpr)
	if !ok {
		return ""
	}
	fn, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	pkg, ok := fn.X.(*ast.Ident)
	if !ok || pkg.Name != "zap" || fn.Sel.Name != "Any" && fn.Sel.Name != "Reflect" || len(call.Args) > 0 && literal(call.Args[0]) == `"panic"` {
		return ""
	}
	return fn.Sel.Name
}

func literal(e ast.Expr) string {
	if l, ok := e.(*ast.BasicLit); ok {
		return l.Value
	}
	return ""
}

func TestEachFunctionThatIsOfTheProcessIsThere(t *testing.T) {
	found := map[string]bool{}
	for _, f := range realHouse(t).files {
		for _, declared := range f.syntax.Decls {
			if fn, ok := declared.(*ast.FuncDecl); ok && fn.Body != nil && len(f.untold(fn.Body, hasContext(fn.Type), nil)) > 0 {
				found[f.path+":"+fn.Name.Name] = true
			}
		}
	}
	for name := range ofTheProcess {
		require.True(t, found[name], "%s needs no exception", name)
	}
}

func TestALineOfTheLogThatLeadsNowhereIsFound(t *testing.T) {
	in := func(body string) string {
		return `package shipping; import ("context"; "net/http"; "go.uber.org/zap"); ` + body
	}
	const missing, at = "telemetry.Fields(ctx)", "internal/shipping/move.go"
	requireEach(t, logLaw, []breach{
		{"in a function with a context", at, in(`func (m *M) move(ctx context.Context) { m.log.Warn("lost") }`), missing},
		{"in a handler", at, in(`func serve(w http.ResponseWriter, r *http.Request) { log.Error("lost", zap.String("a", "b")) }`), missing},
		{"in a function inside", at, in(`func (m *M) move(ctx context.Context) { go func() { m.needs.Log.Info("lost") }() }`), missing},
		{"in a function with its own", at, in(`func (m *M) move() { m.db.Write(func(ctx context.Context) { m.log.Debug("lost") }) }`), missing},
		{"of which the fields say something else", at, in(`func (m *M) fields() []zap.Field { return nil }; func (m *M) move(ctx context.Context) { m.log.Warn("lost", m.fields()...) }`), missing},
		{"in the program", "cmd/shop/start.go", `package main; import "context"; func start(ctx context.Context) { logger.Warn("lost") }`, missing},
		{"a whole value", at, in(`func (m *M) move(o order) { m.log.Warn("lost", zap.Any("order", o)) }`), "zap.Any"},
		{"a whole value, reflected", at, in(`func (m *M) move(o order) { m.log.Warn("lost", zap.Reflect("order", o)) }`), "zap.Reflect"},
	})
	require.Empty(t, violations(t, map[string]string{
		"internal/shipping/move.go": in(`func (m *M) move(ctx context.Context) { m.log.Warn("found", telemetry.Fields(ctx), zap.Error(err)) }
			func (m *M) lapse(ctx context.Context) { m.log.Warn("found", telemetry.FieldsOf(ctx, id)) }
			func (a *attempt) fields(ctx context.Context) []zap.Field { return []zap.Field{telemetry.Fields(ctx)} }
			func (m *M) tell(ctx context.Context, a *attempt) { m.log.Warn("found", append(a.fields(ctx), zap.Int("n", 1))...) }
			func (m *M) silence(err error) { m.log.Warn("nothing at hand", zap.Error(err)) }
			func (m *M) stop(_ context.Context) { m.log.Warn("nothing at hand") }
			func (m *M) other(ctx context.Context) { m.dialog.Error("no log"); math.Log(2); m.log.Sync() }
			func rescue(r *http.Request) { log.Error("panic", telemetry.Fields(r.Context()), zap.Any("panic", recover())) }`),
		"internal/shipping/move_test.go": in(`func test(ctx context.Context) { log.Info("a test may") }`),
		"internal/bench/main.go":         `package main; import "context"; func main2(ctx context.Context) { log.Info("a measurement may") }`,
	}))
}
