package arch

import (
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Statements are recognised in any case; a lone SELECT only in capitals, because people select things too.
var statement = regexp.MustCompile(`(?s)\bSELECT\s|(?i:\bINSERT\s+INTO\s|\bDELETE\s+FROM\s|\bUPDATE\s+\S+\s+(?:AS\s+\S+\s+)?SET\s|^\s*(?:SELECT|WITH)\s.*\sFROM\s)`)

var tableLaw = rule{"no SQL of one context names another's table", func(h *tree) []string {
	var complaints []string
	for _, f := range h.files {
		if in := h.roomOf(f.dir()).kind; in == platform || in == endToEnd || in == benchmark || in == plan {
			continue
		}
		f.texts(func(pos token.Pos, text string) {
			for _, table := range tablesIn(text, statement.MatchString(text)) {
				if other := h.foreign(table, h.ownerOf(f.dir())); other != "" {
					complaints = append(complaints, f.at(pos, "names %s, which belongs to %s", table, other))
				}
			}
		})
	}
	for name, text := range h.migrations {
		for _, table := range tablesIn(text, true) {
			if other := h.foreign(table, path.Base(path.Dir(name))); other != "" {
				complaints = append(complaints, name+": names "+table+", which belongs to "+other)
			}
		}
	}
	return complaints
}}

// ownerOf names the migrations of the tables that the code in dir may use: its context's, or its own when it is a hidden
// package with a database apart from its context's, such as the test provider's ledger.
func (h *tree) ownerOf(dir string) string {
	in := h.roomOf(dir)
	if in.kind == private {
		hidden := strings.Split(dir, "/")[3:]
		for _, owners := range h.tables {
			if len(hidden) > 0 && owners[hidden[0]] {
				return hidden[0]
			}
		}
	}
	return in.name
}

// foreign says whose table it is, when it is not the context's own or everybody's.
func (h *tree) foreign(table, context string) string {
	if schema, _, qualified := strings.Cut(table, "."); qualified {
		if h.contexts[schema] && schema != context {
			return schema
		}
		return ""
	}
	owners := h.tables[table]
	if owners[context] || owners["platform"] {
		return ""
	}
	return sortedNames(owners)
}

var sqlToken = regexp.MustCompile(`'[^']*'|--[^\n]*|[\w".]+|[,()]`)

// tablesIn lists the names that stand where a table does: after FROM, JOIN, INTO, UPDATE, TABLE, REFERENCES or USING,
// and after a comma in a list that FROM or USING began. Unless anyCase is set, only keywords in capitals count.
func tablesIn(text string, anyCase bool) []string {
	var tables []string
	expect := false       // the next word is a table
	list := []bool{false} // by depth of parentheses: a comma is followed by a table
	for _, word := range sqlToken.FindAllString(text, -1) {
		keyword := word
		if anyCase {
			keyword = strings.ToUpper(word)
		}
		top := len(list) - 1
		switch keyword {
		case "FROM", "USING":
			expect, list[top] = true, true
		case "JOIN", "INTO", "UPDATE", "TABLE", "REFERENCES":
			expect = true
		case "ONLY", "LATERAL", "IF", "NOT", "EXISTS":
		case "WHERE", "SET", "ON", "GROUP", "ORDER", "SELECT", "VALUES", "RETURNING", "LIMIT", "HAVING", "WINDOW", "UNION":
			expect, list[top] = false, false
		case "(":
			expect, list = false, append(list, false)
		case ")":
			if expect = false; top > 0 {
				list = list[:top]
			}
		case ",":
			expect = list[top]
		default:
			if expect {
				tables = append(tables, strings.ToLower(strings.ReplaceAll(word, `"`, "")))
			}
			expect = false
		}
	}
	return tables
}

func TestATableOfAnotherContextIsFound(t *testing.T) {
	in := func(name, sql string) breach {
		return breach{name, "internal/orders/queries.go", "package orders; const q = `" + sql + "`", "belongs to inventory"}
	}
	requireEach(t, tableLaw, []breach{
		in("read", `SELECT 1 FROM stock`),
		in("joined", `SELECT 1 FROM orders o JOIN stock s ON s.id = o.id`),
		in("listed", `SELECT 1 FROM orders AS o, stock s`),
		in("in a subquery", `SELECT 1 FROM orders WHERE id IN (SELECT id FROM movements)`),
		in("written", `INSERT INTO "movements" (sku) VALUES ($1)`),
		in("changed in small letters", `update Stock set reserved = 0`),
		in("deleted by way of", `DELETE FROM orders USING stock WHERE true`),
		in("truncated", `TRUNCATE TABLE stock`),
		in("qualified by its schema", `SELECT 1 FROM inventory.anything`),
		{"in a text made of pieces", "internal/orders/queries.go", `package orders; func q(c string) string { return "SELECT " + c + " FROM " + "stock" }`, "belongs to inventory"},
		{"by the context's tests", "internal/orders/z_test.go", "package orders; const q = `SELECT 1 FROM stock`", "belongs to inventory"},
		{"by a hidden package of another context", "internal/payments/internal/testpsp/store.go", "package testpsp; const q = `SELECT 1 FROM stock`", "belongs to inventory"},
		{"by the context of a hidden database", "internal/inventory/queries.go", "package inventory; const q = `SELECT 1 FROM counts`", "belongs to count"},
		{"by a hidden package with a database of its own", "internal/inventory/internal/count/queries.go", "package count; const q = `SELECT 1 FROM stock`", "belongs to inventory"},
		{"by its migrations", "migrations/orders/0002_more.sql", "create table more (sku text references stock (sku));", "belongs to inventory"},
		{"by the edge's tests", "internal/gateway/z_test.go", "package gateway; const q = `SELECT 1 FROM stock`", "belongs to inventory"},
	})
}

func TestTablesAreRecognisedByTheirPlaceInAStatement(t *testing.T) {
	for text, want := range map[string][]string{
		`SELECT a, b FROM x WHERE f(c, d) ORDER BY e, g`:                              {"x"},
		`SELECT * FROM (SELECT 1 FROM y) s, z`:                                        {"y", "z"},
		`INSERT INTO x (a, b) SELECT a, b FROM y ON CONFLICT (a) DO UPDATE SET b = 1`: {"x", "y"},
		`UPDATE x SET a = v.a FROM {rows} AS v(a, b) WHERE x.id = v.id`:               {"x", "rows"},
		`WITH n AS (DELETE FROM x RETURNING a, b) SELECT a, b FROM n, ONLY y`:         {"x", "n", "y"},
		`SELECT 'FROM stock' -- FROM stock`:                                           nil,
		`please update stock from the list`:                                           nil,
	} {
		require.Equal(t, want, tablesIn(text, false), text)
	}
}

// databasePackages are those through which one could reach a database past sqldb, the names their users outside need
// all the same, and the name a file knows them by.
var databasePackages = map[string]struct {
	name    string
	allowed []string
}{
	"database/sql":                {"sql", []string{"ErrNoRows", "Result", "Scanner", "Null", "NullBool", "NullByte", "NullFloat64", "NullInt16", "NullInt32", "NullInt64", "NullString", "NullTime"}},
	"database/sql/driver":         {"driver", []string{"Value", "Valuer"}},
	"github.com/jmoiron/sqlx":     {"sqlx", nil},
	"github.com/lib/pq":           {"pq", nil},
	"modernc.org/sqlite":          {"sqlite", nil},
	"github.com/pressly/goose/v3": {"goose", nil},
}

var connectionLaw = rule{"only sqldb holds database connections", func(h *tree) []string {
	var complaints []string
	for _, f := range h.files {
		if f.test() || h.roomOf(f.dir()).kind == endToEnd || strings.HasPrefix(f.dir()+"/", "internal/platform/sqldb/") {
			continue
		}
		for _, spec := range f.syntax.Imports {
			target, err := strconv.Unquote(spec.Path.Value)
			pkg, watched := databasePackages[target]
			if err != nil || !watched {
				continue
			}
			if spec.Name != nil && (spec.Name.Name == "_" || spec.Name.Name == ".") || pkg.allowed == nil {
				complaints = append(complaints, f.at(spec.Pos(), "imports %s: only sqldb may", target))
				continue
			}
			if spec.Name != nil {
				pkg.name = spec.Name.Name
			}
			complaints = append(complaints, f.uses(pkg.name, pkg.allowed)...)
		}
	}
	return complaints
}}

// uses complains of each use of a package that is not allowed.
func (f *file) uses(pkg string, allowed []string) []string {
	var complaints []string
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		// An identifier that the parser resolved is a variable of that name, not the package.
		if x, ok := selector.X.(*ast.Ident); ok && x.Name == pkg && x.Obj == nil && !slices.Contains(allowed, selector.Sel.Name) {
			complaints = append(complaints, f.at(n.Pos(), "uses %s.%s: only sqldb may", pkg, selector.Sel.Name))
		}
		return true
	})
	return complaints
}

func TestAConnectionPastSqldbIsFound(t *testing.T) {
	requireEach(t, connectionLaw, []breach{
		{"opened", "internal/orders/x.go", `package orders; import "database/sql"; var _, _ = sql.Open("x", "y")`, "uses sql.Open"},
		{"held", "internal/gateway/x.go", `package gateway; import "database/sql"; type s struct { db *sql.DB }`, "uses sql.DB"},
		{"under another name", "cmd/shop/x.go", `package main; import std "database/sql"; type s struct { tx *std.Tx }`, "uses std.Tx"},
		{"through sqlx", "internal/platform/bus/x.go", `package bus; import "github.com/jmoiron/sqlx"; var _ sqlx.DB`, "imports github.com/jmoiron/sqlx"},
		{"through a driver", "internal/payments/internal/stripe/x.go", `package stripe; import _ "github.com/lib/pq"`, "imports github.com/lib/pq"},
		{"with the package's names poured out", "internal/orders/x.go", `package orders; import . "database/sql"`, "imports database/sql"},
	})
}

// untransacted are the functions of sqldb that execute on something that is not called tx, and why each may.
// The key is file.go:function, or file.go:Type.method.
var untransacted = map[string]string{
	"conn.go:sqliteConn.begin":          "it says BEGIN",
	"conn.go:sqliteConn.commit":         "it says COMMIT",
	"conn.go:sqliteConn.rollback":       "it says ROLLBACK",
	"conn.go:sqliteConn.run":            "the statement was prepared on the transaction's own connection, between its BEGIN and its COMMIT",
	"script.go:postgresConn.exec":       "its script says BEGIN, if that was not said before",
	"script.go:postgresConn.writeExact": "its script says BEGIN, if that was not said before",
	"script.go:postgresConn.write":      "its script says BEGIN, if that was not said before",
	"script.go:postgresConn.commit":     "it says COMMIT",
	"script.go:postgresConn.rollback":   "it says ROLLBACK",
}

var executes = []string{"Exec", "ExecContext", "NamedExec", "NamedExecContext", "MustExec", "MustExecContext"}

var transactionLaw = rule{"sqldb writes only inside a transaction", func(h *tree) []string {
	var complaints []string
	for _, f := range h.files {
		if f.dir() != "internal/platform/sqldb" || f.test() {
			continue
		}
		for _, decl := range f.syntax.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && untransacted[path.Base(f.path)+":"+functionName(fn)] != "" {
				continue
			}
			complaints = append(complaints, f.autocommits(decl)...)
		}
	}
	return complaints
}}

// autocommits complains of each call that executes, or is given the text of a write, on anything but a transaction.
func (f *file) autocommits(decl ast.Decl) []string {
	var complaints []string
	ast.Inspect(decl, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || isTransaction(method.X) {
			return true
		}
		if slices.Contains(executes, method.Sel.Name) || slices.ContainsFunc(call.Args, isWrite) {
			complaints = append(complaints, f.at(call.Pos(), "calls %s on something that is not a transaction", method.Sel.Name))
		}
		return true
	})
	return complaints
}

// isTransaction goes by the name: tx, or a field of that name.
func isTransaction(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "tx"
	case *ast.SelectorExpr:
		return e.Sel.Name == "tx"
	}
	return false
}

var write = regexp.MustCompile(`(?i)^\s*(?:INSERT|UPDATE|DELETE|MERGE|TRUNCATE)\s`)

func isWrite(arg ast.Expr) bool {
	text, ok := joined(arg)
	return ok && write.MatchString(text)
}

func functionName(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return fn.Name.Name
	}
	receiver := fn.Recv.List[0].Type
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver = star.X
	}
	if name, ok := receiver.(*ast.Ident); ok {
		return name.Name + "." + fn.Name.Name
	}
	return fn.Name.Name
}

func TestAnAutocommittedWriteIsFound(t *testing.T) {
	const file = "internal/platform/sqldb/x.go"
	requireEach(t, transactionLaw, []breach{
		{"on a pool", file, `package sqldb; func f() { db.write.ExecContext(ctx, q) }`, "calls ExecContext"},
		{"in a closure", file, `package sqldb; func f() { go func() { conn.MustExec(q) }() }`, "calls MustExec"},
		{"as a query", file, `package sqldb; func f() { db.Get(&x, "INSERT INTO outbox VALUES (1) RETURNING id") }`, "calls Get"},
		{"in a method named like an exception of another file", file, `package sqldb; func (tx *Tx) Exec() { s.Exec(q) }`, "calls Exec"},
	})
}

func TestEachExceptionToTheTransactionLawIsStillNeeded(t *testing.T) {
	house := realHouse(t)
	functions := map[string]bool{}
	for _, f := range house.files {
		if f.dir() != "internal/platform/sqldb" {
			continue
		}
		for _, decl := range f.syntax.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && len(f.autocommits(decl)) > 0 {
				functions[path.Base(f.path)+":"+functionName(fn)] = true
			}
		}
	}
	for exception := range untransacted {
		require.True(t, functions[exception], "%s executes nothing any more: take it off the list", exception)
	}
}

// sqlFiles are the places for SQL in a context: the write side, the read side, and the invariants.
var sqlFiles = regexp.MustCompile(`^audit\.go$|(?:store|queries)\.go$`)

var sqlPlaceLaw = rule{"SQL stands only in store.go, queries.go and audit.go", func(h *tree) []string {
	var complaints []string
	for _, f := range h.files {
		switch owner := h.roomOf(f.dir()); {
		case owner.kind == platform, owner.kind == endToEnd, owner.kind == plan, f.test(), sqlFiles.MatchString(path.Base(f.path)):
			continue
		}
		f.texts(func(pos token.Pos, text string) {
			if found := statement.FindString(text); found != "" {
				complaints = append(complaints, f.at(pos, "holds SQL (%s…): it belongs in store.go or queries.go", strings.Join(strings.Fields(found), " ")))
			}
		})
	}
	return complaints
}}

func TestStraySQLIsFound(t *testing.T) {
	in := func(name, file, sql string) breach {
		return breach{name, file, "package p; func f() { run(`" + sql + "`) }", "holds SQL"}
	}
	requireEach(t, sqlPlaceLaw, []breach{
		in("a read in a verb", "internal/orders/place.go", `SELECT id FROM orders`),
		in("an insert in a process", "internal/orders/fulfilment.go", "\n\tINSERT INTO orders (id) VALUES ($1)"),
		in("an update at the edge of a context", "internal/inventory/http.go", `update stock set reserved = 0`),
		in("a delete in the program", "cmd/shop/maintain.go", `DELETE FROM outbox`),
		in("a common table expression", "internal/orders/order.go", `with x as (values (1)) select 1 from x`),
		in("a read in a hidden package", "internal/payments/internal/testpsp/ledger.go", `SELECT 1`),
		in("a file that only sounds like a store", "internal/orders/restoring.go", `SELECT 1`),
	})
	require.Empty(t, violations(t, map[string]string{
		"internal/orders/event_store.go":              "package orders; const q = `SELECT 1`",
		"internal/orders/audit.go":                    "package orders; const q = `SELECT 1`",
		"internal/payments/internal/testpsp/store.go": "package testpsp; const q = `SELECT 1`",
		"internal/orders/place.go":                    "package orders; const words = `please select a product, insert it into the box, or delete it from there`",
		"internal/orders/ordersapi/queries.go":        "package ordersapi; type q struct { A int `doc:\"UPDATE x SET y\"` }",
	}))
}
