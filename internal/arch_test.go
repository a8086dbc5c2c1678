// Package arch proves, over every package found in the module, that the house is built to its plan: who may import
// whom, whose tables a statement may name, who may hold a database connection, and in which files SQL stands.
//
// It reads syntax only, so it also judges packages that do not compile, whatever their build tags.
package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// rule is one law. check returns a line for each place that breaks it: where, what, and what the law says.
type rule struct {
	name  string
	check func(*tree) []string
}

var rules = []rule{importLaw, tableLaw, connectionLaw, transactionLaw, sqlPlaceLaw, logLaw}

func TestTheHouseIsBuiltToItsPlan(t *testing.T) {
	house := realHouse(t)
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			require.Empty(t, r.check(house), "CONTRIBUTING.md draws the plan and says where a line belongs")
		})
	}
}

func TestTheWholeModuleIsRead(t *testing.T) {
	house := realHouse(t)
	read := map[string]bool{}
	for _, f := range house.files {
		read[f.path] = true
	}
	for _, known := range []string{"internal/arch_test.go", "internal/platform/fault/fault.go", "internal/platform/sqldb/tx.go"} {
		require.True(t, read[known], known)
	}
	require.NotEmpty(t, house.tables)
}

func realHouse(t *testing.T) *tree {
	t.Helper()
	house, err := load(os.DirFS(".."))
	require.NoError(t, err)
	return house
}

// planted is a small module that keeps every law; the self-tests add what breaks one.
var planted = map[string]string{
	"cmd/shop/contexts.go":                         `package main; import (_ "shop/internal/orders"; _ "shop/internal/gateway"; _ "shop/internal/inventory"; _ "shop/migrations")`,
	"internal/orders/orders.go":                    `package orders; import (_ "shop/internal/orders/ordersapi"; _ "shop/internal/inventory/inventoryapi"; _ "shop/internal/platform/sqldb")`,
	"internal/orders/store.go":                     "package orders; const q = `SELECT id FROM orders JOIN outbox ON true WHERE state = 'stock'`",
	"internal/orders/orders_test.go":               `package orders_test; import (_ "shop/internal/orders"; _ "shop/migrations"; _ "shop/internal/platform/sqldb/pgtest"; _ "database/sql")`,
	"internal/orders/ordersapi/events.go":          `package ordersapi; import (_ "shop/internal/platform/money"; _ "net/http")`,
	"internal/inventory/inventory.go":              `package inventory; import (_ "shop/internal/inventory/inventoryapi"; _ "shop/internal/inventory/internal/count")`,
	"internal/inventory/store.go":                  `package inventory; import "database/sql"; var _ = sql.ErrNoRows; const q = "UPDATE stock SET reserved = 0"`,
	"internal/inventory/inventoryapi/api.go":       `package inventoryapi`,
	"internal/inventory/internal/count/c.go":       `package count; import _ "shop/internal/platform/clock"`,
	"internal/notifications/notifications.go":      `package notifications; import (_ "shop/internal/orders/ordersapi"; _ "shop/internal/inventory/inventoryapi")`,
	"internal/gateway/gateway.go":                  `package gateway; import (_ "shop/internal/orders/ordersapi"; _ "shop/internal/platform/web")`,
	"internal/bench/clonestore.go":                 "package main; import (_ \"shop/internal/platform/sqldb\"; _ \"shop/internal/platform/sqldb/pgtest\"); const q = `UPDATE stock SET reserved = 1`",
	"internal/e2e/flow_test.go":                    `package e2e; import (_ "shop/internal/orders"; _ "shop/internal/inventory")`,
	"internal/platform/sqldb/dbtest/dbtest.go":     `package dbtest; import (_ "shop/internal/platform/sqldb/pgtest"; _ "shop/migrations")`,
	"internal/platform/sqldb/pgtest/pgrun/main.go": `package main; import _ "shop/internal/platform/sqldb/pgtest"`,
	"internal/platform/sqldb/tx.go":                `package sqldb; import _ "github.com/jmoiron/sqlx"; func write(tx T) { tx.ExecContext("DELETE FROM outbox") }`,
	"migrations/orders/0001_orders.sql":            `CREATE TABLE orders (id text);`,
	"migrations/inventory/0001_stock.sql":          "CREATE TABLE IF NOT EXISTS stock (sku text);\ncreate table movements (sku text);",
	"internal/inventory/internal/count/store.go":   "package count; const q = `SELECT 1 FROM counts`",
	"migrations/count/0001_counts.sql":             `CREATE TABLE counts (n bigint);`,
	"migrations/platform/0001_outbox.sql":          `CREATE TABLE outbox (id bigint);`,
}

// violations reads the planted module with additional files and returns what each rule says of it, by the rule's name.
func violations(t *testing.T, added map[string]string) map[string][]string {
	t.Helper()
	fsys := fstest.MapFS{}
	for _, files := range []map[string]string{planted, added} {
		for name, content := range files {
			fsys[name] = &fstest.MapFile{Data: []byte(content)}
		}
	}
	house, err := load(fsys)
	require.NoError(t, err)
	found := map[string][]string{}
	for _, r := range rules {
		if v := r.check(house); len(v) > 0 {
			found[r.name] = v
		}
	}
	return found
}

func TestAModuleThatKeepsTheLawsIsNotAccused(t *testing.T) {
	require.Empty(t, violations(t, nil))
}

// breach is a file that breaks one rule once, and words that the complaint must contain.
type breach struct{ name, path, source, complaint string }

// requireEach plants each breach alone and demands that the rule, and no other, complains of it, once.
func requireEach(t *testing.T, r rule, breaches []breach) {
	t.Helper()
	for _, b := range breaches {
		t.Run(b.name, func(t *testing.T) {
			found := violations(t, map[string]string{b.path: b.source})
			require.Len(t, found, 1, "%v", found)
			require.Len(t, found[r.name], 1, "%v", found)
			require.Contains(t, found[r.name][0], b.complaint)
			require.Contains(t, found[r.name][0], path.Dir(b.path))
		})
	}
}

// tree is the module as the rules see it.
type tree struct {
	files      []*file
	contexts   map[string]bool            // names of the bounded contexts
	migrations map[string]string          // path → text
	tables     map[string]map[string]bool // table → the contexts whose migrations create it; "platform" is everybody's
}

// file is one Go file.
type file struct {
	path   string // from the module's root, with slashes
	syntax *ast.File
	fset   *token.FileSet
}

func (f *file) dir() string        { return path.Dir(f.path) }
func (f *file) test() bool         { return strings.HasSuffix(f.path, "_test.go") }
func (f *file) externalTest() bool { return f.test() && strings.HasSuffix(f.syntax.Name.Name, "_test") }

// at begins a complaint.
func (f *file) at(pos token.Pos, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: ", f.path, f.fset.Position(pos).Line) + fmt.Sprintf(format, args...)
}

// load reads every Go file and every migration below the module's root.
func load(fsys fs.FS) (*tree, error) {
	house := &tree{contexts: map[string]bool{}, migrations: map[string]string{}, tables: map[string]map[string]bool{}}
	for _, name := range []string{"catalog", "orders", "inventory", "payments", "shipping", "customers", "notifications"} {
		house.contexts[name] = true
	}
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return house.enter(fsys, name)
		case strings.HasSuffix(name, ".go"):
			return house.readGo(fsys, name)
		case strings.HasPrefix(name, "migrations/") && strings.HasSuffix(name, ".sql"):
			return house.readMigration(fsys, name)
		}
		return nil
	})
	return house, err
}

// enter skips what the go command skips too, and recognises a new context by its published language.
func (h *tree) enter(fsys fs.FS, dir string) error {
	base := path.Base(dir)
	if dir != "." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "node_modules" || base == "vendor") {
		return fs.SkipDir
	}
	if _, err := fs.Stat(fsys, path.Join(dir, "go.mod")); err == nil && dir != "." {
		return fs.SkipDir
	}
	if parent := path.Dir(dir); path.Dir(parent) == "internal" && base == path.Base(parent)+"api" {
		h.contexts[path.Base(parent)] = true
	}
	return nil
}

func (h *tree) readGo(fsys fs.FS, name string) error {
	source, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	fset := token.NewFileSet()
	syntax, err := parser.ParseFile(fset, name, source, 0)
	if err != nil {
		return err
	}
	h.files = append(h.files, &file{path: name, syntax: syntax, fset: fset})
	return nil
}

var tableDefinition = regexp.MustCompile(`(?i)\bCREATE\s+(?:OR\s+REPLACE\s+)?(?:UNLOGGED\s+|MATERIALIZED\s+)?(?:TABLE|VIEW)\s+(?:IF\s+NOT\s+EXISTS\s+)?"?(\w+)"?|\bRENAME\s+TO\s+"?(\w+)"?`)

func (h *tree) readMigration(fsys fs.FS, name string) error {
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	h.migrations[name] = string(text)
	owner := path.Base(path.Dir(name))
	for _, match := range tableDefinition.FindAllStringSubmatch(string(text), -1) {
		table := strings.ToLower(match[1] + match[2])
		if h.tables[table] == nil {
			h.tables[table] = map[string]bool{}
		}
		h.tables[table][owner] = true
	}
	return nil
}

// texts calls visit with every string constant of the file. Pieces joined with + are one text, in which a space stands
// for whatever is not a literal. Import paths and struct tags are left out.
func (f *file) texts(visit func(pos token.Pos, text string)) {
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.Field:
			n.Tag = nil
		case *ast.BinaryExpr:
			if text, ok := joined(n); ok {
				visit(n.Pos(), text)
				return false
			}
		case *ast.BasicLit:
			if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
				visit(n.Pos(), text)
			}
		}
		return true
	})
}

// joined folds a sum; ok says that a string literal is among its terms.
func joined(e ast.Expr) (text string, ok bool) {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return joined(e.X)
	case *ast.BinaryExpr:
		if e.Op != token.ADD {
			return " ", false
		}
		left, inLeft := joined(e.X)
		right, inRight := joined(e.Y)
		return left + right, inLeft || inRight
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return text, true
		}
	}
	return " ", false
}

func sortedNames(set map[string]bool) string {
	var names []string
	for name := range set {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
