package web_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/auth/authtest"
	"shop/internal/platform/web"
)

// dial opens a connection to say what net/http would not.
func (s *shop) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", s.Listener.Addr().String(), 5*time.Second)
	require.NoError(t, err)
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	t.Cleanup(func() { conn.Close() })
	return conn
}

func say(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	_, err := io.WriteString(conn, text)
	require.NoError(t, err)
}

func TestA64KiBHeaderIs431(t *testing.T) {
	s := open(t)
	conn := s.dial(t)
	say(t, conn, "GET /v1/orders/ord_1 HTTP/1.1\r\nHost: shop\r\nX-Long: "+strings.Repeat("a", 64<<10)+"\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, res.StatusCode)
	require.True(t, res.Close)
}

func TestContentLengthBesideChunkedSmugglesNoSecondRequest(t *testing.T) {
	var calls atomic.Int32
	s := open(t, func(e *web.Edge) {
		web.Register(e.API, web.Op{Method: http.MethodGet, Path: "/v1/admin", ID: "admin"}, func(context.Context, *struct{}) (struct{}, error) {
			calls.Add(1)
			return struct{}{}, nil
		})
	})
	for _, headers := range []string{
		"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
		"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
		"Content-Length: 5\r\nContent-Length: 6\r\n",
		"Transfer-Encoding: chunked, identity\r\n",
		"Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n",
		"Transfer-Encoding : chunked\r\nContent-Length: 5\r\n",
	} {
		conn := s.dial(t)
		// By Content-Length the body is "0\r\n\r\n" too; whatever follows must be taken for what it is or not at all.
		say(t, conn, "POST /v1/orders HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"+headers+"\r\n0\r\n\r\nX")
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err, headers)
		res.Body.Close()
		require.Contains(t, []int{400, 501}, res.StatusCode, headers)
	}

	// The classic: a front that goes by Content-Length forwards all of it, and the inner request must not run.
	conn := s.dial(t)
	inner := "GET /v1/admin HTTP/1.1\r\nHost: shop\r\n\r\n"
	say(t, conn, "POST /v1/orders HTTP/1.1\r\nHost: shop\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"+inner)
	answers := bufio.NewReader(conn)
	res, err := http.ReadResponse(answers, nil)
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, res.Body)
	res.Body.Close()
	require.Equal(t, 400, res.StatusCode)
	_, err = http.ReadResponse(answers, nil)
	require.Error(t, err, "the connection must end with the ambiguous request")
	require.Zero(t, calls.Load())
}

func TestSlowHeadersAndBodiesAreCutOff(t *testing.T) {
	edge := web.New(web.Options{Use: []func(http.Handler) http.Handler{authtest.Trust}})
	registerOperations(edge)
	s := serve(t, edge, func(s *http.Server) { s.ReadHeaderTimeout, s.ReadTimeout = 100*time.Millisecond, 200*time.Millisecond })

	headers := s.dial(t)
	say(t, headers, "GET /v1/orders/ord_1 HTTP/1.1\r\nHost: shop\r\nX-Slow")
	_, err := io.ReadAll(headers)
	require.NoError(t, err, "the server must close the connection")

	body := s.dial(t)
	say(t, body, "POST /v1/orders HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	res, err := http.ReadResponse(bufio.NewReader(body), nil)
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, http.StatusRequestTimeout, res.StatusCode)
	_, err = io.ReadAll(body)
	require.NoError(t, err, "the server must close the connection")
}

func TestASlowReaderIsCutOff(t *testing.T) {
	ended := make(chan error, 1)
	edge := web.New(web.Options{Use: []func(http.Handler) http.Handler{authtest.Trust}})
	edge.Router.Get("/endless", func(w http.ResponseWriter, r *http.Request) {
		chunk := make([]byte, 1<<20)
		for {
			if _, err := w.Write(chunk); err != nil {
				ended <- err
				return
			}
		}
	})
	s := serve(t, edge, func(s *http.Server) { s.WriteTimeout = 200 * time.Millisecond })
	conn := s.dial(t)
	say(t, conn, "GET /endless HTTP/1.1\r\nHost: shop\r\n\r\n") // and never read
	select {
	case err := <-ended:
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	case <-time.After(10 * time.Second):
		t.Fatal("the handler still writes")
	}
}

func TestEveryLimitOfTheServerIsSet(t *testing.T) {
	s := web.Server(":0", http.NotFoundHandler())
	require.Positive(t, s.ReadHeaderTimeout)
	require.Positive(t, s.ReadTimeout)
	require.Positive(t, s.WriteTimeout)
	require.Positive(t, s.IdleTimeout)
	require.Equal(t, 32<<10, s.MaxHeaderBytes)
}

func TestABodyThatEndsEarlyIs400(t *testing.T) {
	conn := open(t).dial(t)
	say(t, conn, "POST /v1/orders HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{")
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, 400, res.StatusCode)
}

func TestLineBreaksReachNoHeaderAndNoLogLine(t *testing.T) {
	s := open(t)
	a := s.send(t, "GET", "/v1/orders/ord_%0d%0aSet-Cookie:%20x=1", "", "Traceparent", "00-zz")
	require.Equal(t, 404, a.StatusCode)
	require.Empty(t, a.Header.Get("Set-Cookie"))
	for _, l := range s.logs.All() {
		require.NotContains(t, l.Message, "\n")
	}
	require.NotContains(t, a.body, "Set-Cookie")
}

func TestAForgedHostIsUsedForNothing(t *testing.T) {
	s := open(t)
	conn := s.dial(t)
	say(t, conn, "GET /v1/orders?limit=1 HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\nConnection: close\r\n\r\n")
	b, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(b), "HTTP/1.1 200")
	require.NotContains(t, string(b), "evil")
}

func TestStopLetsRequestsFinishAndCutsThoseThatDoNot(t *testing.T) {
	started, finish := make(chan struct{}, 2), make(chan struct{})
	edge := web.New(web.Options{Use: []func(http.Handler) http.Handler{authtest.Trust}})
	edge.Router.Get("/work", func(w http.ResponseWriter, r *http.Request) {
		started <- struct{}{}
		select {
		case <-finish:
			_, _ = io.WriteString(w, "done")
		case <-r.Context().Done():
		}
	})
	serve := func() (*http.Server, string, chan error) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		server, ended := edge.Server(""), make(chan error, 1)
		go func() { ended <- server.Serve(listener) }()
		return server, "http://" + listener.Addr().String() + "/work", ended
	}
	get := func(url string) chan answer {
		answers := make(chan answer, 1)
		go func() {
			client := &http.Client{Timeout: 20 * time.Second}
			res, err := client.Get(url)
			if err != nil {
				answers <- answer{}
				return
			}
			defer res.Body.Close()
			b, _ := io.ReadAll(res.Body)
			answers <- answer{res, string(b)}
		}()
		<-started
		return answers
	}

	server, url, ended := serve()
	answers := get(url)
	stopped := make(chan error, 1)
	go func() { stopped <- web.Stop(server, 10*time.Second) }()
	require.ErrorIs(t, <-ended, http.ErrServerClosed)
	close(finish)
	require.NoError(t, <-stopped)
	a := <-answers
	require.Equal(t, "done", a.body)
	require.True(t, a.Close, "the client must not reuse the connection")

	finish = make(chan struct{})
	server, url, _ = serve()
	answers = get(url)
	require.ErrorIs(t, web.Stop(server, time.Millisecond), context.DeadlineExceeded)
	require.Nil(t, (<-answers).Response)
}
