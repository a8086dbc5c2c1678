package arch

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "shop/"

// room is a part of the house.
type room struct {
	kind kind
	name string // the context, or the part of the edge or of the platform
}

type kind string

const (
	program    kind = "the program cmd/shop"
	otherTool  kind = "another command"
	heart      kind = "a context's heart"
	private    kind = "a context's internal package"
	published  kind = "a context's published language"
	edge       kind = "the edge"
	platform   kind = "the platform"
	migrations kind = "the migrations"
	endToEnd   kind = "the end-to-end tests"
	benchmark  kind = "the benchmark"
	simulation kind = "the simulation"
	dashboards kind = "the dashboards"
	plan       kind = "the proof of the plan"
	unplanned  kind = "no room of the plan"
)

// directs says whose commands a context may send and whose events it may hear, beside its own. A context that is not
// named knows nobody.
var directs = map[string][]string{"orders": {"inventory", "payments", "shipping", "catalog"}}

// listens names those that know every context, but only its published language.
var listens = []string{"notifications", "gateway", "console"}

// vocabulary is what a published language may be written in, beside the standard library.
var vocabulary = []string{"money", "id", "fault", "bus"}

var importLaw = rule{"each package imports only what the plan allows", func(h *tree) []string {
	var complaints []string
	strangers := map[string]bool{}
	for _, f := range h.files {
		from := h.roomOf(f.dir())
		if from.kind == unplanned && !strangers[f.dir()] {
			strangers[f.dir()] = true
			complaints = append(complaints, f.at(f.syntax.Package, "%s is no room of the plan: give it one in arch_imports_test.go", f.dir()))
		}
		for _, spec := range f.syntax.Imports {
			target, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				continue // the parser accepted it, so it is a string
			}
			if why := h.forbids(f, from, target); why != "" {
				complaints = append(complaints, f.at(spec.Pos(), "imports %s: %s", target, why))
			}
		}
	}
	return complaints
}}

// roomOf finds the room of a directory.
func (h *tree) roomOf(dir string) room {
	parts := strings.Split(dir, "/")
	at := func(i int) string {
		if i < len(parts) {
			return parts[i]
		}
		return ""
	}
	switch at(0) {
	case "cmd":
		if at(1) == "shop" {
			return room{program, "shop"}
		}
		return room{otherTool, at(1)}
	case "migrations":
		return room{migrations, ""}
	case "deploy":
		if at(1) == "dashboards" && len(parts) == 2 {
			return room{dashboards, ""}
		}
	case "internal":
		return h.innerRoom(at(1), at(2), len(parts))
	}
	return room{unplanned, dir}
}

func (h *tree) innerRoom(name, child string, depth int) room {
	switch {
	case depth == 1:
		return room{plan, ""}
	case name == "platform":
		return room{platform, child}
	case name == "gateway" || name == "console":
		return room{edge, name}
	case name == "e2e":
		return room{endToEnd, ""}
	case name == "bench" && depth == 2:
		return room{benchmark, ""}
	case name == "simulate" && depth == 2:
		return room{simulation, ""}
	case !h.contexts[name]:
		return room{unplanned, name}
	case depth == 2:
		return room{heart, name}
	case child == name+"api":
		return room{published, name}
	case child == "internal":
		return room{private, name}
	}
	return room{unplanned, name} // a context is one flat package beside its api and what it hides in internal
}

// forbids says why f may not import the target; empty when it may.
func (h *tree) forbids(f *file, from room, target string) string {
	if !strings.HasPrefix(target, module) {
		if thirdParty(target) && from.kind == published && !f.test() {
			return "a published language is written with the standard library alone"
		}
		return ""
	}
	dir := strings.TrimPrefix(target, module)
	to := h.roomOf(dir)
	testing := f.test() || from.kind == endToEnd || from.kind == benchmark || isTestSupport(f.dir())
	switch {
	case from.kind == plan || from.kind == migrations || from.kind == simulation || from.kind == unplanned:
		return string(from.kind) + " imports nothing of ours"
	case isTestSupport(dir):
		return unless(testing, path.Base(dir)+" is for tests")
	case from.kind == endToEnd:
		return "" // it stands outside and may open every door
	}
	if from.kind == dashboards {
		return unless(dir == "internal/platform/metrics", "the dashboards know the table of metrics alone")
	}
	switch to.kind {
	case migrations:
		return unless(testing || from.kind == program, "migrations are for cmd/shop and for tests")
	case platform:
		allowed := from.kind != published || f.test() || slices.Contains(vocabulary, to.name) && dir == "internal/platform/"+to.name
		return unless(allowed, "a published language knows only platform/{money,id,fault,bus}")
	case published:
		return unless(mayHear(from, to.name), from.name+" may not know "+path.Base(dir))
	case heart:
		own := from.name == to.name && f.externalTest() && (from.kind == heart || from.kind == published)
		return unless(from.kind == program || own, "only cmd/shop, a context's own external tests and internal/e2e import a heart")
	case private:
		own := from.name == to.name && (from.kind == heart || from.kind == private)
		return unless(own, "it is internal to "+to.name)
	case edge:
		return unless(from.kind == program || from == to, "only cmd/shop imports "+to.name)
	case program:
		own := from.kind == program && strings.HasPrefix(dir, "cmd/shop/internal/")
		return unless(own, "nobody imports "+string(to.kind))
	}
	return "nobody imports " + string(to.kind)
}

// mayHear reports whether the room may import the published language of a context.
func mayHear(from room, context string) bool {
	switch from.kind {
	case program, otherTool, edge:
		return true
	case heart, private:
		return from.name == context || slices.Contains(directs[from.name], context) || slices.Contains(listens, from.name)
	}
	return from.kind == published && from.name == context
}

// isTestSupport goes by the name, as in net/http/httptest: a package of the platform, or one above it, that ends in test.
func isTestSupport(dir string) bool {
	below, ok := strings.CutPrefix(dir, "internal/platform/")
	return ok && slices.ContainsFunc(strings.Split(below, "/"), func(name string) bool { return strings.HasSuffix(name, "test") })
}

func thirdParty(target string) bool {
	host, _, _ := strings.Cut(target, "/")
	return strings.Contains(host, ".")
}

func unless(allowed bool, why string) string {
	if allowed {
		return ""
	}
	return why
}

func TestAForbiddenImportIsFound(t *testing.T) {
	breaks := func(name, path, target, complaint string) breach {
		return breach{name, path, `package p; import _ "` + target + `"`, complaint}
	}
	external := func(name, path, target, complaint string) breach {
		return breach{name, path, `package p_test; import _ "` + target + `"`, complaint}
	}
	requireEach(t, importLaw, []breach{
		breaks("a heart imports another heart", "internal/orders/x.go", "shop/internal/inventory", "only cmd/shop"),
		breaks("the dashboards import more than the table of metrics", "deploy/dashboards/x.go", "shop/internal/platform/web", "the table of metrics alone"),
		breaks("code stands elsewhere in deploy", "deploy/x/x.go", "fmt", "no room of the plan"),
		breaks("another command imports a heart", "cmd/tool/main.go", "shop/internal/orders", "only cmd/shop"),
		breaks("the edge imports a heart", "internal/gateway/x.go", "shop/internal/orders", "only cmd/shop"),
		breaks("the platform imports a heart", "internal/platform/web/x.go", "shop/internal/orders", "only cmd/shop"),
		breaks("an internal test imports another heart", "internal/orders/x_test.go", "shop/internal/inventory", "only cmd/shop"),
		external("an external test imports another heart", "internal/orders/y_test.go", "shop/internal/inventory", "only cmd/shop"),
		breaks("a published language imports its heart", "internal/orders/ordersapi/x.go", "shop/internal/orders", "only cmd/shop"),
		breaks("orders knows customers", "internal/orders/x.go", "shop/internal/customers/customersapi", "orders may not know customersapi"),
		breaks("orders knows notifications", "internal/orders/x.go", "shop/internal/notifications/notificationsapi", "orders may not know"),
		breaks("inventory knows orders", "internal/inventory/x.go", "shop/internal/orders/ordersapi", "inventory may not know ordersapi"),
		breaks("a hidden package knows orders", "internal/payments/internal/stripe/x.go", "shop/internal/orders/ordersapi", "payments may not know"),
		breaks("a new context knows orders", "internal/returns/returnsapi/x.go", "shop/internal/orders/ordersapi", "returns may not know"),
		breaks("a published language knows another", "internal/orders/ordersapi/x.go", "shop/internal/inventory/inventoryapi", "orders may not know"),
		breaks("a published language knows the database", "internal/orders/ordersapi/x.go", "shop/internal/platform/sqldb", "knows only platform/"),
		breaks("a published language knows a package below the bus", "internal/orders/ordersapi/x.go", "shop/internal/platform/bus/nats", "knows only platform/"),
		breaks("a published language needs a library", "internal/orders/ordersapi/x.go", "go.uber.org/zap", "standard library alone"),
		breaks("the platform knows a published language", "internal/platform/web/x.go", "shop/internal/orders/ordersapi", "web may not know ordersapi"),
		breaks("the platform's tests know a published language", "internal/platform/web/x_test.go", "shop/internal/orders/ordersapi", "web may not know"),
		breaks("the platform knows the edge", "internal/platform/web/x.go", "shop/internal/gateway", "only cmd/shop imports gateway"),
		breaks("the console imports the gateway", "internal/console/x.go", "shop/internal/gateway", "only cmd/shop imports gateway"),
		breaks("a heart opens another's cupboard", "internal/orders/x.go", "shop/internal/inventory/internal/count", "internal to inventory"),
		breaks("a heart reads the migrations", "internal/orders/x.go", "shop/migrations", "for cmd/shop and for tests"),
		breaks("the product uses the tests' database", "cmd/shop/x.go", "shop/internal/platform/sqldb/pgtest", "pgtest is for tests"),
		breaks("the platform uses the tests' database", "internal/platform/bus/x.go", "shop/internal/platform/sqldb/dbtest", "dbtest is for tests"),
		breaks("the benchmark imports a heart", "internal/bench/x.go", "shop/internal/orders", "only cmd/shop"),
		breaks("the benchmark imports a published language", "internal/bench/x.go", "shop/internal/orders/ordersapi", "may not know ordersapi"),
		breaks("the product uses the benchmark", "cmd/shop/x.go", "shop/internal/bench", "nobody imports"),
		breaks("the simulation imports what it is a model of", "internal/simulate/x.go", "shop/internal/platform/sqldb", "the simulation imports nothing of ours"),
		breaks("the product uses the simulation", "cmd/shop/x.go", "shop/internal/simulate", "nobody imports"),
		breaks("the product uses the end-to-end tests", "cmd/shop/x.go", "shop/internal/e2e", "nobody imports"),
		breaks("somebody imports what only the program needs", "internal/orders/x.go", "shop/cmd/shop/internal/rest", "nobody imports"),
		breaks("somebody imports a command", "internal/orders/x.go", "shop/cmd/shop", "nobody imports"),
		breaks("the migrations import something", "migrations/x.go", "shop/internal/platform/sqldb", "imports nothing of ours"),
	})
	requireEach(t, importLaw, []breach{
		{"a room nobody planned", "internal/util/x.go", `package util`, "internal/util is no room of the plan"},
		{"a context that is not flat", "internal/orders/models/x.go", `package models`, "internal/orders/models is no room"},
		{"a package outside the house", "pkg/x.go", `package pkg`, "pkg is no room"},
	})
}
