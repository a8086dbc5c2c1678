package main

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The messages that the tests change: an event with a list, an event with an enum and a field that may be left out, a command with bounds, and an event with a time.
const (
	anEvent  = "shop.inventory.stock.refused.v1"
	another  = "shop.orders.order.cancelled.v1"
	aCommand = "shop.shipping.shipment.create.v1"
	timed    = "shop.inventory.stock.reserved.v1"
)

// fewSchemas are those of the messages that the tests change.
func fewSchemas(t *testing.T) schemas {
	t.Helper()
	few := schemasNow(t)
	maps.DeleteFunc(few, func(name string, _ tree) bool {
		return !slices.Contains([]string{anEvent, another, aCommand, timed}, name)
	})
	return few
}

// field finds a field of a schema; the items of a list are found under their list's name.
func (s schemas) field(message string, names ...string) tree {
	at := s[message]
	for _, name := range names {
		if items, ok := at["items"].(tree); ok {
			at = items
		}
		at = at["properties"].(tree)[name].(tree)
	}
	return at
}

func (s schemas) remove(message, name string, inside ...string) {
	at := s.object(message, inside...)
	delete(at["properties"].(tree), name)
	s.relax(message, name, inside...)
}

func (s schemas) add(message, name string, inside ...string) {
	s.object(message, inside...)["properties"].(tree)[name] = tree{"type": "string"}
}

func (s schemas) demand(message, name string, inside ...string) {
	at := s.object(message, inside...)
	at["required"] = append(list(at["required"]), name)
}

func (s schemas) relax(message, name string, inside ...string) {
	at := s.object(message, inside...)
	at["required"] = slices.DeleteFunc(list(at["required"]), func(f any) bool { return f == name })
}

func (s schemas) object(message string, names ...string) tree {
	at := s.field(message, names...)
	if items, ok := at["items"].(tree); ok {
		return items
	}
	return at
}

func TestEachWayToBreakAReaderOrSenderOfMessagesIsNoticed(t *testing.T) {
	for name, c := range map[string]struct {
		change func(was, is schemas)
		says   string
	}{
		"a message is gone":  {func(_, is schemas) { delete(is, anEvent) }, "the message is gone"},
		"the key is another": {func(_, is schemas) { is[anEvent]["x-key"] = "sku" }, "its key was reference and is sku"},
		"the topic is another": {
			func(_, is schemas) { is[anEvent]["x-topic"] = "shop.stock.events" }, "its topic was shop.inventory.events and is shop.stock.events",
		},
		"an event has become a command":    {func(_, is schemas) { is[anEvent]["x-kind"] = "command" }, "its kind was event and is command"},
		"an event lacks a field":           {func(_, is schemas) { is.remove(anEvent, "reference") }, "removed"},
		"an event lacks an optional field": {func(_, is schemas) { is.remove(another, "email") }, "removed"},
		"a field has another name": {func(_, is schemas) {
			is.remove(another, "reason")
			is.add(another, "why")
			is.demand(another, "why")
		}, "`reason`"},
		"an inner field is gone":           {func(_, is schemas) { is.remove(another, "currency", "total") }, "currency"},
		"a field of a list is gone":        {func(_, is schemas) { is.remove(anEvent, "available", "shortages") }, "available"},
		"a field has another type":         {func(_, is schemas) { is.field(another, "item_count")["type"] = "string" }, "item_count"},
		"an inner type is another":         {func(_, is schemas) { is.field(anEvent, "shortages", "requested")["type"] = "number" }, "requested"},
		"a field may be null":              {func(_, is schemas) { is.field(another, "reason")["type"] = []any{"string", "null"} }, "reason"},
		"a time is no time any more":       {func(_, is schemas) { delete(is.field(timed, "expires_at"), "format") }, "expires_at"},
		"a field may be missing":           {func(_, is schemas) { is.relax(another, "reason") }, "reason"},
		"an event must have more":          {func(_, is schemas) { is.add(anEvent, "note"); is.demand(anEvent, "note") }, "let it be left out"},
		"an event must have what it could": {func(_, is schemas) { is.demand(another, "email") }, "let it be left out"},
		"the items of an event must have more": {func(_, is schemas) {
			is.add(anEvent, "note", "shortages")
			is.demand(anEvent, "note", "shortages")
		}, "let it be left out"},
		"an event says something new": {func(_, is schemas) {
			f := is.field(another, "reason")
			f["enum"] = append(list(f["enum"]), "lost")
		}, "lost"},
		"an event may say anything":     {func(_, is schemas) { delete(is.field(another, "reason"), "enum") }, "reason"},
		"an event's text may be longer": {func(was, _ schemas) { was.field(another, "email")["maxLength"] = 100 }, "email"},

		"a command loses a field":            {func(_, is schemas) { is.remove(aCommand, "owner") }, "owner"},
		"a command must have more":           {func(_, is schemas) { is.add(aCommand, "note"); is.demand(aCommand, "note") }, "let it be left out"},
		"a command must have an inner field": {func(_, is schemas) { is.demand(aCommand, "line2", "address") }, "line2"},
		"a command has another type":         {func(_, is schemas) { is.field(aCommand, "lines", "quantity")["type"] = "string" }, "quantity"},
		"a command knows a value less": {func(was, is schemas) {
			was.field(aCommand, "owner")["enum"] = []any{"ann", "bob"}
			is.field(aCommand, "owner")["enum"] = []any{"ann"}
		}, "bob"},
		"a command knows some values only":  {func(_, is schemas) { is.field(aCommand, "owner")["enum"] = []any{"ann"} }, "owner"},
		"a command's text is shorter":       {func(_, is schemas) { is.field(aCommand, "address", "city")["maxLength"] = 10 }, "city"},
		"a command's text has a pattern":    {func(_, is schemas) { is.field(aCommand, "address", "city")["pattern"] = "^[A-Z]+$" }, "city"},
		"a command's list may be no longer": {func(_, is schemas) { is.field(aCommand, "lines")["maxItems"] = 1 }, "lines"},
	} {
		t.Run(name, func(t *testing.T) {
			was, is := fewSchemas(t), fewSchemas(t)
			c.change(was, is)
			found := messageBreaks(t, was, is)
			require.NotEmpty(t, found)
			require.Contains(t, strings.Join(found, "\n"), c.says)
			for _, f := range found {
				require.Regexp(t, `^shop\.[a-z._]+\.v1`, f)
				require.NotContains(t, f, "200")
				t.Log(f)
			}
		})
	}
}

func TestWhatOnlyAddsToMessagesIsNoBreak(t *testing.T) {
	for name, change := range map[string]func(was, is schemas){
		"nothing":                         func(_, _ schemas) {},
		"a message more":                  func(was, _ schemas) { delete(was, anEvent) },
		"an event may have a field more":  func(_, is schemas) { is.add(anEvent, "note") },
		"an item may have a field more":   func(_, is schemas) { is.add(anEvent, "note", "shortages") },
		"an event says one thing less":    func(_, is schemas) { f := is.field(another, "reason"); f["enum"] = list(f["enum"])[1:] },
		"a command may have a field more": func(_, is schemas) { is.add(aCommand, "note") },
		"a command need not have a field": func(_, is schemas) { is.relax(aCommand, "lines") },
		"a command knows a value more": func(was, is schemas) {
			was.field(aCommand, "owner")["enum"] = []any{"ann"}
			is.field(aCommand, "owner")["enum"] = []any{"ann", "bob"}
		},
		"a command's text may be longer": func(_, is schemas) { is.field(aCommand, "address", "city")["maxLength"] = 1000 },
		"an optional object with fields it must have": func(_, is schemas) {
			is[anEvent]["properties"].(tree)["by"] = tree{"type": "object", "required": []any{"name"}, "properties": tree{"name": tree{"type": "string"}}}
		},
		"other words": func(_, is schemas) { is[anEvent]["description"] = "There was too little." },
	} {
		t.Run(name, func(t *testing.T) {
			was, is := fewSchemas(t), fewSchemas(t)
			change(was, is)
			require.Empty(t, messageBreaks(t, was, is))
		})
	}
}

func TestWhatWasReleasedLastIsFoundInTheRepository(t *testing.T) {
	dir := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		command := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.org"}, args...)...)
		out, err := command.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	say := func(key string) {
		t.Helper()
		file := filepath.Join(dir, publishedMessages, anEvent+".json")
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o750))
		require.NoError(t, os.WriteFile(file, indented(t, tree{"x-key": key}), 0o600))
		git("add", ".")
		git("commit", "-qm", "said")
	}
	git("init", "-q")
	tag, _ := taggedSchemas(t, dir)
	require.Empty(t, tag)
	say("released")
	git("tag", "v1.0.0")
	say("changed")
	git("tag", "nightly")
	tag, released := taggedSchemas(t, dir)
	require.Equal(t, "v1.0.0", tag)
	require.Equal(t, schemas{anEvent: {"x-key": "released"}}, released)
}
