//go:build pact

package e2e

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/pact-foundation/pact-go/v2/consumer"
	"github.com/pact-foundation/pact-go/v2/matchers"
	"github.com/stretchr/testify/require"

	"shop/internal/platform/resilience"
)

var update = flag.Bool("update", false, "write the contracts in api/pacts anew")

// pactsDir is where the contracts are that consumers and providers agreed on.
const pactsDir = "../../api/pacts"

// asker is what a remote asks through.
type asker interface {
	Get(ctx context.Context, path string, into any) error
	Each(ctx context.Context, n int, ask func(ctx context.Context, i int) error) error
}

// pact is a contract that is being written: what one context may ask another.
type pact struct {
	t    *testing.T
	dir  string
	name string // of its file
	mock *consumer.V4HTTPMockProvider

	provider string
}

func newPact(t *testing.T, asks, answers string) *pact {
	t.Helper()
	p := &pact{t: t, dir: t.TempDir(), name: asks + "-" + answers + ".json", provider: answers}
	var err error
	p.mock, err = consumer.NewV4Pact(consumer.MockHTTPProviderConfig{Consumer: asks, Provider: answers, PactDir: p.dir, LogDir: p.dir, Host: "127.0.0.1"})
	require.NoError(t, err)
	return p
}

// question is one, with the answer that was agreed on.
type question struct {
	p      *pact
	i      *consumer.V4UnconfiguredInteraction
	who    string
	path   matchers.Matcher
	params []func(*consumer.V4RequestBuilder)
	asked  *consumer.V4InteractionWithResponse
}

// question begins one. given is the state of the provider in which it is answered so; empty: any.
func (p *pact) question(given, about string) *question {
	i := p.mock.AddInteraction()
	if given != "" {
		i = i.Given(given)
	}
	return &question{p: p, i: i.UponReceiving(about)}
}

// as says whose token the question carries: an operator's, or that of the customer of this name.
func (q *question) as(who string) *question {
	q.who = who
	return q
}

func (q *question) get(path matchers.Matcher) *question {
	q.path = path
	return q
}

func (q *question) query(key string, values ...matchers.Matcher) *question {
	q.params = append(q.params, func(b *consumer.V4RequestBuilder) { b.Query(key, values...) })
	return q
}

func (q *question) answers(status int, body any) *question {
	q.asked = q.i.WithRequestPathMatcher("GET", q.path, func(b *consumer.V4RequestBuilder) {
		b.Header("Accept", matchers.S("application/json"))
		if q.who != "" {
			b.Header("Authorization", matchers.Regex("Bearer "+q.who, "^Bearer .+$"))
		}
		for _, param := range q.params {
			param(b)
		}
	}).WillRespondWith(status, func(b *consumer.V4ResponseBuilder) {
		kind := "application/json"
		if status >= 400 {
			kind = "application/problem+json"
		}
		b.JSONBody(body)
		b.Header("Content-Type", matchers.S(kind))
	})
	return q
}

// when asks the stand-in through the client that is used in earnest.
func (q *question) when(ask func(ctx context.Context, a asker)) {
	q.p.t.Helper()
	require.NoError(q.p.t, q.asked.ExecuteTest(q.p.t, func(c consumer.MockServerConfig) error {
		guards := resilience.NewGuards(resilience.Default(), nil)
		defer guards.Close()
		caller := guards.Caller(q.p.provider, &url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", c.Port)}, resilience.CallerOptions{
			Authorization: func(context.Context) string {
				if q.who == "" {
					return ""
				}
				return "Bearer " + q.who
			},
		})
		ask(q.p.t.Context(), caller)
		return nil
	}))
}

// published requires that the contract is the one in api/pacts.
func (p *pact) published() {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, p.name))
	require.NoError(p.t, err)
	file := filepath.Join(pactsDir, p.name)
	if *update {
		require.NoError(p.t, os.MkdirAll(pactsDir, 0o750))
		require.NoError(p.t, os.WriteFile(file, text, 0o600))
		return
	}
	kept, err := os.ReadFile(file)
	require.NoError(p.t, err, "run the test with -update to write it")
	require.JSONEq(p.t, string(kept), string(text), "%s asks for something else than was agreed; run the test with -update, and see that the provider's test passes", p.name)
}

var (
	aTime     = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z$`)
	anID      = regexp.MustCompile(`^[a-z]{3}_[0-9a-z]{26}$`)
	aCurrency = regexp.MustCompile(`^[A-Z]{3}$`)
)

// like is an answer of the form of the example, in which the fields named in same have the values that they have there.
func like(t *testing.T, example any, same ...string) any {
	t.Helper()
	text, err := json.Marshal(example)
	require.NoError(t, err)
	var v any
	require.NoError(t, json.Unmarshal(text, &v))
	return formOf(v, same)
}

func formOf(v any, same []string) any {
	switch v := v.(type) {
	case map[string]any:
		form := map[string]any{}
		for name, value := range v {
			if slices.Contains(same, name) {
				form[name] = value
				continue
			}
			form[name] = formOf(value, same)
		}
		return form
	case []any:
		form := make([]any, len(v))
		for i := range v {
			form[i] = formOf(v[i], same)
		}
		return form
	case float64:
		return matchers.Integer(int(v))
	case string:
		for _, kind := range []*regexp.Regexp{aTime, anID, aCurrency} {
			if kind.MatchString(v) {
				return matchers.Regex(v, kind.String())
			}
		}
	}
	return matchers.Like(v)
}

// problem is a problem document (RFC 9457).
func problem(status int, code string) any {
	return map[string]any{"status": status, "code": code, "title": matchers.Like("Title"), "detail": matchers.Like("what is wrong")}
}
