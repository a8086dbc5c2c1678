package dbtest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// Fate is what becomes of one request to PostgreSQL.
type Fate int

const (
	Pass      Fate = iota
	CutBefore      // the connection breaks before the server gets the request
	CutAfter       // the server executes the request, but its answer never arrives
	CutAmid        // the connection breaks in the middle of the answer
)

// Proxy stands between a client and a PostgreSQL server without TLS, and lets connections break where it hurts.
type Proxy struct {
	url    string
	target string
	listen net.Listener
	all    sync.WaitGroup

	mu     sync.Mutex
	fate   func(statement string) Fate
	conns  map[net.Conn]bool
	frozen chan struct{} // closed when the proxy thaws; nil while it is not frozen

	cuts atomic.Int64
}

// NewProxy starts a proxy on a free loopback port in front of the server of a URL. It is gone when the test ends.
func NewProxy(t testing.TB, serverURL string) *Proxy {
	t.Helper()
	u, err := url.Parse(serverURL)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &Proxy{target: u.Host, listen: l, conns: map[net.Conn]bool{}}
	u.Host = l.Addr().String()
	p.url = u.String()
	p.all.Go(p.accept)
	t.Cleanup(func() {
		p.Thaw()
		_ = l.Close()
		p.CutAll()
		p.all.Wait()
	})
	return p
}

// URL is the server's URL by way of the proxy.
func (p *Proxy) URL() string { return p.url }

// Cuts is how many connections were cut.
func (p *Proxy) Cuts() int64 { return p.cuts.Load() }

// Decide has fate choose what becomes of every request: the text of a simple query, such as COMMIT, or "" for the execution of a
// prepared statement. nil lets all pass.
func (p *Proxy) Decide(fate func(statement string) Fate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fate = fate
}

// Freeze holds back whatever either side sends, on connections that stay open, until Thaw.
func (p *Proxy) Freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.frozen == nil {
		p.frozen = make(chan struct{})
	}
}

// Thaw ends Freeze.
func (p *Proxy) Thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.frozen != nil {
		close(p.frozen)
		p.frozen = nil
	}
}

// CutAll cuts every connection that is open now.
func (p *Proxy) CutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listen.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		l := &link{proxy: p, client: client, server: server}
		p.all.Go(func() { l.finish(l.requests()) })
		p.all.Go(func() { l.finish(l.answers()) })
	}
}

// link is one client's connection and ours to the server.
type link struct {
	proxy          *Proxy
	client, server net.Conn
	next           atomic.Int32 // the Fate of the request whose answer is awaited
}

var errCut = errors.New("cut")

func (l *link) finish(err error) {
	if errors.Is(err, errCut) {
		l.proxy.cuts.Add(1)
	}
	_ = l.client.Close()
	_ = l.server.Close()
	l.proxy.mu.Lock()
	delete(l.proxy.conns, l.client)
	delete(l.proxy.conns, l.server)
	l.proxy.mu.Unlock()
}

// requests forwards what the client sends. A request ends with a simple query or with Sync.
func (l *link) requests() error {
	startup, err := readFrame(l.client, false)
	for frame := startup; err == nil; frame, err = readFrame(l.client, true) {
		if kind := frame[0]; &frame[0] != &startup[0] && (kind == 'Q' || kind == 'S') {
			fate := l.proxy.fateOf(frame)
			if fate == CutBefore {
				return errCut
			}
			l.next.Store(int32(fate))
		}
		if err := l.forward(l.server, frame); err != nil {
			return err
		}
	}
	return err
}

func (p *Proxy) fateOf(frame []byte) Fate {
	p.mu.Lock()
	fate := p.fate
	p.mu.Unlock()
	switch {
	case fate == nil:
		return Pass
	case frame[0] == 'Q':
		return fate(string(bytes.TrimRight(frame[5:], "\x00")))
	}
	return fate("")
}

// answers forwards what the server sends, up to the place where fate strikes.
func (l *link) answers() error {
	for {
		frame, err := readFrame(l.server, true)
		if err != nil {
			return err
		}
		switch Fate(l.next.Load()) {
		case CutAfter:
			if frame[0] == 'Z' { // ready for the next: everything was executed
				return errCut
			}
			continue
		case CutAmid:
			_ = l.forward(l.client, frame[:len(frame)/2])
			return errCut
		case Pass, CutBefore: // what was to be cut before never came here
		}
		if err := l.forward(l.client, frame); err != nil {
			return err
		}
	}
}

func (l *link) forward(to net.Conn, frame []byte) error {
	l.proxy.mu.Lock()
	frozen := l.proxy.frozen
	l.proxy.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
	_, err := to.Write(frame)
	return err
}

// readFrame reads a message: its type, unless it is the first of a connection, its length, its content.
func readFrame(from io.Reader, typed bool) ([]byte, error) {
	head := 4
	if typed {
		head = 5
	}
	frame := make([]byte, head, 512)
	if _, err := io.ReadFull(from, frame); err != nil {
		return nil, err
	}
	rest := int(binary.BigEndian.Uint32(frame[head-4:])) - 4
	frame = append(frame, make([]byte, rest)...)
	_, err := io.ReadFull(from, frame[head:])
	return frame, err
}
