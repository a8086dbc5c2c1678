package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/asyncapi"
	"shop/internal/platform/bus"
)

const referenceHead = `# Messages

What the contexts tell each other. Each message is a CloudEvent with a JSON body; its schema is behind its name, and a running shop describes what it sends and receives at
` + "`/asyncapi.json`" + `. Messages with the same key are applied in their order. What goes to nobody is there for whoever
wants to listen.

This page is written by ` + "`go test ./cmd/shop -run ReferenceOfMessages -update`" + `. How to add to a message or change one: [change a message](../how-to/change-a-message.md).
`

func TestTheReferenceOfMessagesIsComplete(t *testing.T) {
	const file = "../../docs/reference/messages.md"
	text := reference(wholeHost(t).parties())
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		return
	}
	written, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(written), text, "run the test with -update to write it anew")
}

func reference(parties []asyncapi.Party) string {
	var b strings.Builder
	b.WriteString(referenceHead)
	var last string
	for _, m := range allMessages() {
		title := "What " + m.Type.Context + " tells"
		if m.Type.Kind == bus.Command {
			title = "What " + m.Type.Context + " is told to do"
		}
		if title != last {
			fmt.Fprintf(&b, "\n## %s\n\nTopic `%s`.\n\n| message | version | from | to | key | meaning |\n|---|---|---|---|---|---|\n", title, m.Type.Topic())
			last = title
		}
		fmt.Fprintf(&b, "| [%s](../../%s/%s.json) `%s` | %d | %s | %s | `%s` | %s |\n", m.Body.Name(), publishedMessages, m.Type,
			strings.TrimSuffix(m.Type.String(), fmt.Sprintf(".v%d", m.Type.Version)), m.Type.Version,
			names(parties, m.Type, func(p asyncapi.Party) []bus.Type { return p.Sends }),
			names(parties, m.Type, func(p asyncapi.Party) []bus.Type { return p.Receives }), m.Key, m.About)
	}
	return b.String()
}

func names(parties []asyncapi.Party, t bus.Type, does func(asyncapi.Party) []bus.Type) string {
	var all []string
	for _, p := range parties {
		if slices.Contains(does(p), t) {
			all = append(all, p.Name)
		}
	}
	if len(all) == 0 {
		return "–"
	}
	return strings.Join(all, ", ")
}

// What the map says of who commands whom, and who hears whom, is what the contexts do: the commands that a heart makes are those that it is said to send, and it has handlers
// for events of those that it is said to hear.
func TestTheMapSaysWhoTalksToWhom(t *testing.T) {
	byName := map[string]bus.Type{} // inventoryapi.ReserveStock
	for _, m := range allMessages() {
		byName[m.Type.Context+"api."+m.Body.Name()] = m.Type
	}
	h := wholeHost(t)
	for i, c := range hostedSpecs(h.cfg.hosted) {
		made := madeIn(t, filepath.Join("../../internal", c.name), byName)
		for _, typ := range made {
			require.Contains(t, sentBy(c.name), typ, "%s makes it", c.name)
		}
		for _, typ := range sentBy(c.name) {
			require.Contains(t, made, typ, "%s is said to send it", c.name)
		}
		for _, typ := range h.modules[i].Endpoint().Hears() {
			if typ.Kind == bus.Event {
				require.Contains(t, c.hears, typ.Context, "%s has a handler of %s", c.name, typ)
			} else {
				require.Equal(t, c.name, typ.Context, "%s has a handler of %s", c.name, typ)
			}
		}
	}
	for _, m := range allMessages() {
		if m.Type.Kind == bus.Command {
			receiver := slices.IndexFunc(h.modules, func(hosted hosted) bool { return hosted.name == m.Type.Context })
			require.Contains(t, h.modules[receiver].Endpoint().Hears(), m.Type, "nobody does what it says")
		}
	}
}

// madeIn are the messages of which the code of a package has a literal.
func madeIn(t *testing.T, dir string, byName map[string]bus.Type) (made []bus.Type) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(syntax, func(n ast.Node) bool {
			literal, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			if name, ok := literal.Type.(*ast.SelectorExpr); ok {
				if pkg, ok := name.X.(*ast.Ident); ok {
					if typ, ok := byName[pkg.Name+"."+name.Sel.Name]; ok && !slices.Contains(made, typ) {
						made = append(made, typ)
					}
				}
			}
			return true
		})
	}
	return made
}

func TestEveryLanguageIsInTheDocument(t *testing.T) {
	languages, err := filepath.Glob("../../internal/*/*api/messages.go")
	require.NoError(t, err)
	var contexts []string
	for _, file := range languages {
		contexts = append(contexts, strings.TrimSuffix(filepath.Base(filepath.Dir(file)), "api"))
	}
	var listed []string
	for _, m := range allMessages() {
		if !slices.Contains(listed, m.Type.Context) {
			listed = append(listed, m.Type.Context)
		}
	}
	require.Equal(t, contexts, listed)
}
