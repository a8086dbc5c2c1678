package main

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAResponseIsReadToItsEndAndNoFurther(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		status int
		body   string
	}{
		"with a length":             {"HTTP/1.1 201 Created\r\nContent-Type: a\r\ncontent-length: 5\r\n\r\nhello", 201, "hello"},
		"with a length of nothing":  {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, ""},
		"in chunks":                 {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1a;x=y\r\n, abcdefghijklmnopqrstuvwx\r\n0\r\n\r\n", 200, "hello, abcdefghijklmnopqrstuvwx"},
		"in chunks with a trailer":  {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nDigest: x\r\n\r\n", 200, "hi"},
		"without content":           {"HTTP/1.1 204 No Content\r\n\r\n", 204, ""},
		"not modified, with length": {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, ""},
		"without a reason":          {"HTTP/1.1 500\r\nContent-Length: 1\r\n\r\nx", 500, "x"},
	} {
		t.Run(name, func(t *testing.T) {
			r := bufio.NewReader(iotest.OneByteReader(strings.NewReader(c.text + "HTTP/1.1 next")))
			status, body, err := readResponse(r, nil)
			require.NoError(t, err)
			require.Equal(t, c.status, status)
			require.Equal(t, c.body, string(body))
			rest, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, "HTTP/1.1 next", string(rest))
		})
	}
}

func TestABodyWithoutALengthEndsWithTheConnection(t *testing.T) {
	_, body, err := readResponse(bufio.NewReader(strings.NewReader("HTTP/1.0 200 OK\r\n\r\nall of it")), []byte("after "))
	require.NoError(t, err)
	require.Equal(t, "after all of it", string(body))
}

func TestABrokenResponseIsAnError(t *testing.T) {
	for name, text := range map[string]string{
		"another protocol":          "SSH-2.0-OpenSSH_9.2\r\n\r\n",
		"no status":                 "HTTP/1.1 abc\r\n\r\n",
		"a negative length":         "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"no header":                 "HTTP/1.1 200 OK\r\nwhat\r\n\r\n",
		"a chunk of no size":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"a chunk longer than said":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
		"a chunk of 17 gigabytes":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400000000\r\n",
		"cut in the status line":    "HTTP/1.1 2",
		"cut in the header":         "HTTP/1.1 200 OK\r\nContent-Le",
		"cut in the body":           "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
		"cut between chunks":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
		"nothing":                   "",
		"cut before the last chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := readResponse(bufio.NewReader(strings.NewReader(text)), nil)
			require.Error(t, err)
		})
	}
}

func TestAConnectionCarriesManyRequests(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("Prefer") != "wait=10" || r.Header.Get("Content-Type") != "application/json" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		_, _ = w.Write([]byte(r.Method + " " + r.URL.Path + " "))
		if r.URL.Path == "/chunks" {
			_ = http.NewResponseController(w).Flush()
		}
		_, _ = w.Write(body)
	}))
	defer server.Close()
	c, err := dial(server.Listener.Addr().String(), time.Now().Add(time.Minute))
	require.NoError(t, err)
	defer c.close()
	for _, path := range []string{"/length", "/chunks", "/length"} {
		status, body, err := c.do(http.MethodPost, path, "Prefer: wait=10\r\n", []byte(`{"a":1}`))
		require.NoError(t, err)
		require.Equal(t, 200, status)
		require.Equal(t, "POST "+path+` {"a":1}`, string(body))
	}
}
