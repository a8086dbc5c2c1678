package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"shop/internal/platform/asyncapi"
	"shop/internal/platform/asyncapi/asyncapitest"
)

// publishedMessages is where the schemas of the messages are that others may rely on, one a file, named by the type.
const publishedMessages = "api/messages"

// schemas are those of messages, by type.
type schemas map[string]tree

// schemasNow are what the code says.
func schemasNow(t *testing.T) schemas {
	t.Helper()
	now := schemas{}
	for _, m := range allMessages() {
		var s tree
		require.NoError(t, json.Unmarshal(indented(t, asyncapi.MessageSchema(m)), &s))
		now[m.Type.String()] = s
	}
	return now
}

// schemasIn are those that were published in a directory.
func schemasIn(t *testing.T, dir fs.FS) schemas {
	t.Helper()
	files, err := fs.Glob(dir, "*.json")
	require.NoError(t, err)
	kept := schemas{}
	for _, file := range files {
		text, err := fs.ReadFile(dir, file)
		require.NoError(t, err)
		var s tree
		require.NoError(t, json.Unmarshal(text, &s))
		kept[strings.TrimSuffix(file, ".json")] = s
	}
	return kept
}

// howToChangeAMessage says what to do when a reader or a sender would notice.
const howToChangeAMessage = "processes of another version, messages under way and those kept as dead letters would break. Leave this version as it is and make the change in a new one " +
	"(bus.NewEvent(…, 2)) beside it; see docs/how-to/change-a-message.md"

func TestWhatIsPublishedOfMessagesBreaksNobody(t *testing.T) {
	now := schemasNow(t)
	file := func(name string) string { return filepath.Join("../..", publishedMessages, name+".json") }
	require.NoError(t, os.MkdirAll(filepath.Dir(file("")), 0o750))
	kept := schemasIn(t, os.DirFS(filepath.Dir(file(""))))
	require.Empty(t, messageBreaks(t, kept, now), howToChangeAMessage)
	if tag, tagged := taggedSchemas(t, "../.."); tag != "" { // what was released stays true when somebody edits the files; to delete one is a decision
		maps.DeleteFunc(tagged, func(name string, _ tree) bool { return kept[name] == nil })
		require.Empty(t, messageBreaks(t, tagged, now), "against %s: %s", tag, howToChangeAMessage)
	}
	if *update {
		for name, s := range now {
			require.NoError(t, os.WriteFile(file(name), indented(t, s), 0o600))
		}
		return
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		published, err := os.ReadFile(file(name))
		require.NoError(t, err, "a new message; run the test with -update to publish it")
		require.Equal(t, string(published), string(indented(t, now[name])), "%s says more now; run the test with -update to publish it", name)
	}
}

// taggedSchemas are those of the last release. Before there was one, or where there is no repository, the tag is empty.
func taggedSchemas(t *testing.T, repository string) (tag string, s schemas) {
	t.Helper()
	git := func(args ...string) (string, error) {
		out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", repository}, args...)...).Output()
		return string(out), err
	}
	tag, err := git("describe", "--tags", "--abbrev=0", "--match", "v[0-9]*")
	if tag = strings.TrimSpace(tag); err != nil || tag == "" {
		t.Log("no release is tagged here: only what is committed is compared")
		return "", nil
	}
	s = schemas{}
	files, err := git("ls-tree", "--name-only", tag, publishedMessages+"/")
	require.NoError(t, err)
	for file := range strings.FieldsSeq(files) {
		text, err := git("show", tag+":"+file)
		require.NoError(t, err)
		var schema tree
		require.NoError(t, json.Unmarshal([]byte(text), &schema))
		s[strings.TrimSuffix(path.Base(file), ".json")] = schema
	}
	return tag, s
}

// messageBreaks names what those who send or receive the published messages could notice in the others. An event is to its readers what an answer of an API is to its clients, a
// command is to its senders what a request is, and oasdiff knows what may change in either. What it does not know is that messages are kept: what is sent today is read by the
// version before, and what that one sent is read tomorrow.
func messageBreaks(t *testing.T, published, now schemas) (found []string) {
	t.Helper()
	before, after := schemas{}, schemas{}
	for _, name := range slices.Sorted(maps.Keys(published)) {
		was, is := published[name], now[name]
		if is == nil {
			found = append(found, name+": the message is gone; somebody may still send it, or have kept it")
			continue
		}
		for _, promise := range []string{"x-kind", "x-topic", "x-key"} {
			if was[promise] != is[promise] {
				found = append(found, fmt.Sprintf("%s: its %s was %v and is %v", name, strings.TrimPrefix(promise, "x-"), was[promise], is[promise]))
			}
		}
		if was["x-kind"] != is["x-kind"] {
			continue
		}
		found = append(found, demanded(name, was, is)...)
		before[name], after[name] = was, is
	}
	for _, b := range breaks(t, asOpenAPI(t, before), asOpenAPI(t, after)) {
		operation, text, _ := strings.Cut(b, ": ")
		_, name, _ := strings.Cut(operation, " /")
		found = append(found, name+": "+ofStatus.ReplaceAllString(text, ""))
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// ofStatus is what oasdiff says of answers and makes no sense of messages.
var ofStatus = regexp.MustCompile(" (from|for) (the )?(response )?(with )?(the )?(status )?`200`( status)?$")

// demanded names fields that a message must have now and need not have had before.
func demanded(at string, was, is tree) (found []string) {
	for _, field := range list(is["required"]) {
		if !slices.Contains(list(was["required"]), field) {
			found = append(found, fmt.Sprintf("%s: a message must have the field `%v` now, and those that were sent before need not have it; let it be left out (omitempty, omitzero)", at, field))
		}
	}
	fields, _ := was["properties"].(tree)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if then, ok := is["properties"].(tree)[name].(tree); ok {
			found = append(found, demanded(at+"."+name, fields[name].(tree), then)...)
		}
	}
	for _, inner := range []string{"items", "additionalProperties"} {
		then, ok := is[inner].(tree)
		if was, is := was[inner].(tree); ok && is {
			found = append(found, demanded(at+"[]", was, then)...)
		}
	}
	return found
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

// asOpenAPI writes messages as an API: who asks for an event is answered with it, a command is a request.
func asOpenAPI(t *testing.T, messages schemas) []byte {
	t.Helper()
	paths := tree{}
	for name, s := range messages {
		body := tree{"application/json": tree{"schema": s}}
		if s["x-kind"] == "command" {
			paths["/"+name] = tree{"post": tree{
				"requestBody": tree{"required": true, "content": body}, "responses": tree{"204": tree{"description": "applied"}},
			}}
			continue
		}
		paths["/"+name] = tree{"get": tree{"responses": tree{"200": tree{"description": "told", "content": body}}}}
	}
	return indented(t, tree{"openapi": "3.1.0", "info": tree{"title": "messages", "version": "1"}, "paths": paths})
}

func TestAProcessDescribesOnlyWhatItHosts(t *testing.T) {
	cfg := config{hosted: []string{"payments"}, databases: map[string]string{}, data: t.TempDir(), busURL: memoryBus}
	for _, name := range databaseNames() {
		cfg.databases[name] = sqlitePrefix + cfg.data
	}
	h, err := openHost(t.Context(), cfg, zap.NewNop())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.close()) })
	h.cfg.busURL = "nats://shop:geheim@nats:4222"
	text := h.asyncAPI()
	asyncapitest.Validate(t, text)
	require.NotContains(t, string(text), "geheim")
	var document tree
	require.NoError(t, json.Unmarshal(text, &document))
	require.Equal(t, []string{"payments.receive.shop.payments.commands", "payments.send.shop.payments.events"}, slices.Sorted(maps.Keys(document["operations"].(tree))))
	require.Equal(t, tree{"broker": tree{"host": "nats:4222", "protocol": "nats"}}, document["servers"])
}

func TestWhatIsPublishedOfChannelsIsWhatIsServed(t *testing.T) {
	document := wholeHost(t).asyncAPI()
	asyncapitest.Validate(t, document)
	var served tree
	require.NoError(t, json.Unmarshal(document, &served))
	served["info"].(tree)["version"] = "1"
	now := indented(t, served)
	const file = "../../api/asyncapi.json"
	if *update {
		require.Empty(t, messageBreaks(t, schemasIn(t, os.DirFS(filepath.Join("../..", publishedMessages))), schemasNow(t)), howToChangeAMessage)
		require.NoError(t, os.WriteFile(file, now, 0o600))
		return
	}
	published, err := os.ReadFile(file)
	require.NoError(t, err, "run the test with -update to write it")
	require.Equal(t, string(published), string(now), "run the test with -update to publish what the channels carry now")
}
