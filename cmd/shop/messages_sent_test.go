package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"shop/cmd/shop/internal/rest"
	"shop/internal/platform/bus"
	"shop/internal/platform/id"
)

// eavesdropper is one more group on every topic.
type eavesdropper struct {
	mu    sync.Mutex
	heard []*message.Message
	feeds sync.WaitGroup
}

func (e *eavesdropper) listen(t *testing.T, transport bus.Transport) {
	t.Helper()
	subscriber, err := transport.Subscriber("eavesdropper")
	require.NoError(t, err)
	for _, context := range contextNames() {
		for _, kind := range []bus.Kind{bus.Event, bus.Command} {
			topic := bus.Topic(context, kind)
			require.NoError(t, transport.Join("eavesdropper", topic))
			messages, err := subscriber.Subscribe(t.Context(), topic)
			require.NoError(t, err)
			e.feeds.Go(func() {
				for msg := range messages {
					e.mu.Lock()
					e.heard = append(e.heard, msg)
					e.mu.Unlock()
					msg.Ack()
				}
			})
		}
	}
}

// What the contexts really say to each other is what the document and the schemas say that they do: body and headers, by whom to whom.
func TestWhatIsSentIsWhatIsPublished(t *testing.T) {
	dir := t.TempDir()
	cfg := config{addr: "127.0.0.1:0", data: dir, hosted: contextNames(), databases: map[string]string{}, busURL: memoryBus, service: "shop"}
	for _, name := range databaseNames() {
		cfg.databases[name] = sqlitePrefix + dir
	}
	h, err := openHost(t.Context(), cfg, zap.NewNop())
	require.NoError(t, err)
	var e eavesdropper
	e.listen(t, h.bus)
	require.NoError(t, h.start(t.Context()))

	s := &show{style: newStyle(&bytes.Buffer{}, nil), run: id.New("demo")}
	require.NoError(t, s.meet(h))
	for _, act := range []func(context.Context) error{s.sell, s.order, s.decline, s.runShort} {
		require.NoError(t, act(t.Context()))
	}
	_, err = s.shop.Do(t.Context(), rest.Request{Method: http.MethodPost, Path: "/v1/customers", Body: object{"id": "cus_ada", "name": "Ada", "email": "ada@example.org"}}, nil)
	require.NoError(t, err)
	_, err = s.shop.Do(t.Context(), rest.Request{Method: http.MethodDelete, Path: "/v1/customers/cus_ada"}, nil)
	require.NoError(t, err)
	document := h.asyncAPI()
	require.Equal(t, string(document), textAt(t, h.api.url()+"/asyncapi.json"))
	for _, c := range []*rest.Client{s.shop, s.ada, s.eve} {
		c.Close()
	}
	require.NoError(t, h.settle(t.Context()))
	require.NoError(t, h.stop())
	e.feeds.Wait()

	all, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	require.NoError(t, compiler.AddResource("asyncapi.json", all))
	operations := all.(tree)["operations"].(tree)
	seen := map[string]int{}
	for _, msg := range e.heard {
		name := msg.Metadata.Get("ce_type")
		seen[name]++
		body, err := jsonschema.UnmarshalJSON(bytes.NewReader(msg.Payload))
		require.NoError(t, err)
		headers := map[string]any{}
		for name, value := range msg.Metadata {
			headers[name] = value
		}
		for part, value := range map[string]any{"payload": body, "headers": headers} {
			schema, err := compiler.Compile("asyncapi.json#/components/messages/" + name + "/" + part)
			require.NoError(t, err)
			require.NoError(t, schema.Validate(value), "%s of %s: %s", part, name, msg.Payload)
		}
		topic := typeNamed(t, name).Topic()
		sender := msg.Metadata.Get("ce_source")[len("/shop/"):]
		require.Contains(t, operations[sender+".send."+topic].(tree)["messages"],
			tree{"$ref": "#/channels/" + topic + "/messages/" + name}, "%s sends %s", sender, name)
	}
	require.Greater(t, len(seen), 20, seen)
}

func textAt(t *testing.T, url string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	res, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(t, err)
	defer func() { require.NoError(t, res.Body.Close()) }()
	require.Equal(t, http.StatusOK, res.StatusCode)
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(text)
}

func typeNamed(t *testing.T, name string) bus.Type {
	t.Helper()
	for _, m := range allMessages() {
		if m.Type.String() == name {
			return m.Type
		}
	}
	require.Fail(t, "no language lists "+name)
	return bus.Type{}
}
