package e2e

// The harness runs the real program, built once a test run, as its users do.
//
//	s := newShop(t, url, "SHOP_LOG_LEVEL=debug")   // a place for a shop: url from dbtest.EachURL; migrated; nothing runs yet.
//	                                               // Its settings; at level warn its address would not be logged, from where it is read
//	p := s.serve()                                 // shop serve, on free ports; returns when /readyz says so
//	p.do("POST", "/v1/orders", body, "Idempotency-Key", key)   // one request to it, of an operator
//	p.as("ann").do("GET", "/v1/orders", nil)       // of a customer; p.asNobody() of somebody without a token
//	p.product("MUG", 1250, 100)                    // a product with a price in cents and units in stock
//	p.terminate()                                  // SIGTERM; requires exit code 0 within 15 s
//	p.kill()                                       // SIGKILL
//	r := s.run("audit", "-o", "json")              // any command to its end: r.code, r.stdout, r.stderr
//	s.audit()                                      // requires that shop audit finds nothing
//	s.tables()                                     // every row of every database as text, to compare states
//
// A shop that still runs when its test ends is killed; when the test failed, the end of its log is shown. Builds with other tags: buildShop.

import (
	"bufio"
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/auth"
	"shop/internal/platform/bus/amqpbus/amqptest"
	"shop/internal/platform/sqldb/dbtest"
)

// buildDir holds the programs that the tests of this run built.
var buildDir = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "shop-e2e-") })

func TestMain(m *testing.M) {
	code := m.Run()
	if err := amqptest.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stopping RabbitMQ:", err)
		code = max(code, 1)
	}
	if dir, err := buildDir(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// buildShop builds the program with the given build tags, without a race detector.
func buildShop(tags string) (string, error) {
	dir, err := buildDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "shop"+tags)
	cmd := exec.Command("go", "build", "-tags", tags, "-ldflags", "-X main.version=e2e", "-o", path, "shop/cmd/shop")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building shop: %w: %s", err, out)
	}
	return path, nil
}

var shopBinary = sync.OnceValues(func() (string, error) { return buildShop("") })

// shop is a place where a shop can run: a program, its databases and its settings.
type shop struct {
	t       testing.TB
	binary  string
	url     string // of the databases, as dbtest.EachURL gives it
	dir     string // working directory
	environ []string
	signer  *auth.Signer // with the development key
}

// newShop prepares an empty database for a shop. environ are settings beside the defaults of the tests.
func newShop(t testing.TB, url string, environ ...string) *shop {
	t.Helper()
	s := newEmptyShop(t, url, environ...)
	r := s.run("migrate", "up")
	require.Equal(t, 0, r.code, r.stderr)
	return s
}

// newEmptyShop is newShop without the migrations.
func newEmptyShop(t testing.TB, url string, environ ...string) *shop {
	t.Helper()
	binary, err := shopBinary()
	require.NoError(t, err)
	s := &shop{t: t, binary: binary, url: url, dir: t.TempDir()}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "SHOP_") { // what is set where the tests run is not for the shop
			s.environ = append(s.environ, kv)
		}
	}
	s.signer, err = auth.DevelopmentSigner(filepath.Join(s.dir, "data"))
	require.NoError(t, err)
	s.environ = append(s.environ, "SHOP_DATABASE_URL="+url, "SHOP_ADDR=127.0.0.1:0", "SHOP_ADMIN_ADDR=127.0.0.1:0", "SHOP_TOKEN="+tokenOf(t, s.signer, operator))
	s.environ = append(s.environ, environ...)
	return s
}

// operator is who asks, unless a test says somebody else.
var operator = auth.Principal{Role: auth.Operator, Subject: "operator"}

// tokenOf signs a token that lives longer than a test.
func tokenOf(t testing.TB, signer *auth.Signer, who auth.Principal) string {
	t.Helper()
	token, err := signer.Sign(who, time.Now(), 24*time.Hour)
	require.NoError(t, err)
	return token
}

func (s *shop) sqlite() bool { return strings.HasPrefix(s.url, "sqlite:") }

func (s *shop) command(args ...string) *exec.Cmd {
	cmd := exec.Command(s.binary, args...)
	cmd.Env, cmd.Dir = s.environ, s.dir
	dieWithTheTest(cmd)
	return cmd
}

// outcome is how a command ended.
type outcome struct {
	code           int
	stdout, stderr string
}

// runLimit bounds a command that ends by itself.
const runLimit = 3 * time.Minute

// run runs a command to its end.
func (s *shop) run(args ...string) outcome {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := s.command(args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(s.t, cmd.Start())
	overdue := time.AfterFunc(runLimit, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	require.True(s.t, overdue.Stop(), "shop %v takes longer than %s; so far it said: %s%s", args, runLimit, stdout.String(), stderr.String())
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(s.t, err)
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// decode reads a command's -o json.
func (o outcome) decode(t testing.TB, into any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(o.stdout), into), "%s%s", o.stdout, o.stderr)
}

// audit requires that nothing is broken.
func (s *shop) audit() {
	s.t.Helper()
	r := s.run("audit")
	require.Equal(s.t, 0, r.code, "%s%s", r.stdout, r.stderr)
}

// running is a shop process.
type running struct {
	t          testing.TB
	cmd        *exec.Cmd
	URL, Admin string
	client     *http.Client
	token      string // of who asks
	signer     *auth.Signer
	ended      chan struct{} // closed when the process has ended

	*output
}

// output is what a process says.
type output struct {
	mu  sync.Mutex
	log []string // lines of stderr
}

// as is the same shop, asked by a customer.
func (p *running) as(customer string) *running {
	p.t.Helper()
	asked := *p
	asked.token = tokenOf(p.t, p.signer, auth.Principal{Role: auth.Customer, Subject: customer})
	return &asked
}

// asNobody is the same shop, asked without a token.
func (p *running) asNobody() *running {
	asked := *p
	asked.token = ""
	return &asked
}

// readyLimit is how long a shop may take until it serves.
const readyLimit = 30 * time.Second

// serve starts `shop serve` and returns when it is ready.
func (s *shop) serve(flags ...string) *running {
	s.t.Helper()
	p := s.start(flags...)
	p.isReady()
	return p
}

// isReady waits until the shop says that it is.
func (p *running) isReady() {
	p.t.Helper()
	eventually(p.t, "the shop is ready", func() bool {
		resp, err := p.client.Get(p.URL + "/readyz")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// start starts `shop serve` and returns when it listens.
func (s *shop) start(flags ...string) *running {
	s.t.Helper()
	p := &running{t: s.t, cmd: s.command(append([]string{"serve"}, flags...)...), ended: make(chan struct{}), output: &output{},
		token: tokenOf(s.t, s.signer, operator), signer: s.signer,
		client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 128}}}
	stderr, err := p.cmd.StderrPipe()
	require.NoError(s.t, err)
	require.NoError(s.t, p.cmd.Start())
	s.t.Cleanup(p.cleanUp)
	listens := make(chan [2]string, 1)
	go p.read(stderr, listens)
	select {
	case urls := <-listens:
		p.URL, p.Admin = urls[0], urls[1]
	case <-p.ended:
		require.FailNow(s.t, "the shop ended", p.logged())
	case <-time.After(readyLimit):
		require.FailNow(s.t, "the shop does not listen", p.logged())
	}
	return p
}

// read keeps the log, finds the addresses in it, and waits for the end of the process.
func (p *running) read(stderr io.Reader, listens chan<- [2]string) {
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		p.mu.Lock()
		p.log = append(p.log, lines.Text())
		p.mu.Unlock()
		var entry struct {
			Msg, URL string
			Admin    string `json:"admin_url"`
		}
		if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Msg == "serving" {
			listens <- [2]string{entry.URL, entry.Admin}
		}
	}
	_ = p.cmd.Wait() // how it ended is in ProcessState
	close(p.ended)
}

// logged is the end of the process's log.
func (p *running) logged() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.log[max(0, len(p.log)-40):], "\n")
}

func (p *running) cleanUp() {
	p.kill()
	if p.t.Failed() {
		p.t.Logf("the shop's log ends with:\n%s", p.logged())
	}
}

// kill ends the process as a crash does.
func (p *running) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
	p.client.CloseIdleConnections()
}

// stopLimit is what operators are promised.
const stopLimit = 15 * time.Second

// signal asks the process to end.
func (p *running) signal() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
}

// terminate ends the process as an orchestrator does and returns how long that took.
func (p *running) terminate() time.Duration {
	p.t.Helper()
	began := time.Now()
	p.signal()
	p.exited()
	return time.Since(began)
}

// exited requires that the process ends in time and says that all is well.
func (p *running) exited() {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(stopLimit):
		require.FailNow(p.t, "the shop does not stop", p.logged())
	}
	p.client.CloseIdleConnections()
	require.Equal(p.t, 0, p.cmd.ProcessState.ExitCode(), p.logged())
}

// try sends one request; headers are pairs. Safe for concurrent use.
func (p *running) try(method, url string, body any, headers ...string) (answer, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return answer{}, err
	}
	req, err := http.NewRequest(method, url, bytes.NewReader(b))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	a := answer{Status: resp.StatusCode, Header: resp.Header}
	if a.Raw, err = io.ReadAll(resp.Body); err != nil {
		return answer{}, err
	}
	_ = json.Unmarshal(a.Raw, &a.Body) // an answer that is no object stays raw
	return a, nil
}

// do sends one request that the shop must answer.
func (p *running) do(method, path string, body any, headers ...string) answer {
	p.t.Helper()
	a, err := p.try(method, p.URL+path, body, headers...)
	require.NoError(p.t, err)
	return a
}

// product puts a product into the catalog and units of it into stock.
func (p *running) product(sku string, cents, units int64) {
	p.t.Helper()
	a := p.do("PUT", "/v1/products/"+sku, map[string]any{"name": "Product " + sku, "price": map[string]any{"amount": cents, "currency": "EUR"}})
	require.Contains(p.t, []int{200, 201}, a.Status, string(a.Raw))
	a = p.do("POST", "/v1/inventory/"+sku+"/movements", map[string]any{"quantity": units, "reason": "received"}, "Idempotency-Key", "stock-"+sku)
	require.Equal(p.t, 201, a.Status, string(a.Raw))
}

// place orders and waits for the outcome.
func (p *running) place(key string, body map[string]any) answer {
	p.t.Helper()
	a := p.do("POST", "/v1/orders", body, "Idempotency-Key", key, "Prefer", "wait=20")
	require.Equal(p.t, 201, a.Status, string(a.Raw))
	return a
}

// databases are the names of all databases of a shop.
var databases = []string{"catalog", "customers", "inventory", "payments", "testpsp", "shipping", "orders", "notifications"}

// open connects to one database past the shop. Its tables are qualified with prefix.
func (s *shop) open(name string) (db *sql.DB, prefix string) {
	s.t.Helper()
	driver, source := "postgres", s.url
	if s.sqlite() {
		driver, source = "sqlite", "file:"+filepath.Join(strings.TrimPrefix(s.url, "sqlite:"), name+".db")+"?_pragma=busy_timeout(10000)"
	} else {
		prefix = name + "."
	}
	db, err := sql.Open(driver, source)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = db.Close() })
	return db, prefix
}

// exec changes a database behind the shop's back.
func (s *shop) exec(name, table, statement string, args ...any) {
	s.t.Helper()
	db, prefix := s.open(name)
	_, err := db.Exec(strings.ReplaceAll(statement, "{"+table+"}", prefix+table), args...)
	require.NoError(s.t, err)
	require.NoError(s.t, db.Close())
}

// tables is every row of every database, by database and table, sorted. Leadership is left out: it changes with every start.
func (s *shop) tables() map[string][]string {
	s.t.Helper()
	all := map[string][]string{}
	for _, name := range databases {
		db, prefix := s.open(name)
		list := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'`
		if !s.sqlite() {
			list = `SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = '` + name + `'::regnamespace`
		}
		for _, row := range s.rows(db, list) {
			if table := row; table != "leases" && table != "rounds" && !strings.HasPrefix(table, "schema_version_") {
				all[name+"."+table] = s.rows(db, `SELECT * FROM `+prefix+table)
			}
		}
		require.NoError(s.t, db.Close())
	}
	return all
}

func (s *shop) rows(db *sql.DB, query string) []string {
	s.t.Helper()
	rows, err := db.Query(query)
	require.NoError(s.t, err)
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	require.NoError(s.t, err)
	list := []string{}
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		require.NoError(s.t, rows.Scan(into...))
		texts := make([]string, len(values))
		for i, v := range values {
			if b, ok := v.([]byte); ok {
				v = string(b)
			}
			texts[i] = fmt.Sprint(v)
		}
		list = append(list, strings.Join(texts, " | "))
	}
	require.NoError(s.t, rows.Err())
	slices.Sort(list)
	return list
}

// atOnce is dbtest.EachURL with both databases at the same time: for tests that mostly wait, for processes that start and for what they have to finish.
func atOnce(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	dbtest.EachURL(t, func(t *testing.T, url string) {
		t.Parallel()
		test(t, url)
	})
}
