package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"time"
)

// conn is a keep-alive HTTP/1.1 client on one TCP connection. It is written by hand because the generator shares the machine's
// cores with what it measures, so it should need little of them. It never sends a request twice.
type conn struct {
	addr    string
	headers string // of every request: complete lines
	c       net.Conn
	r       *bufio.Reader
	out     []byte
	body    []byte
}

// errResponse is an answer that is not HTTP/1.1 as a shop speaks it.
var errResponse = errors.New("malformed response")

// dial connects; until is when the connection gives up whatever it does.
func dial(addr string, until time.Time) (*conn, error) {
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return &conn{addr: addr, c: c, r: bufio.NewReaderSize(c, 32<<10)}, c.SetDeadline(until)
}

func (k *conn) close() { _ = k.c.Close() }

// do sends one request and returns the status and the body, which stays valid until the next call. headers are complete
// lines. Errors: those of the connection; errResponse. The connection is of no use afterwards.
func (k *conn) do(method, path, headers string, body []byte) (int, []byte, error) {
	o := append(k.out[:0], method...)
	o = append(o, ' ')
	o = append(o, path...)
	o = append(o, " HTTP/1.1\r\nHost: "...)
	o = append(o, k.addr...)
	o = append(o, "\r\n"...)
	o = append(o, k.headers...)
	o = append(o, headers...)
	if body != nil {
		o = append(o, "Content-Type: application/json\r\nContent-Length: "...)
		o = strconv.AppendInt(o, int64(len(body)), 10)
		o = append(o, "\r\n"...)
	}
	o = append(o, "\r\n"...)
	o = append(o, body...)
	k.out = o
	if _, err := k.c.Write(o); err != nil {
		return 0, nil, err
	}
	status, answer, err := readResponse(k.r, k.body[:0])
	if answer != nil {
		k.body = answer
	}
	return status, answer, err
}

// readResponse reads a response and appends its body to buf. It knows Content-Length, chunks, and bodies that end with the
// connection. Errors: those of the reader; errResponse.
func readResponse(r *bufio.Reader, buf []byte) (int, []byte, error) {
	line, err := readLine(r)
	if err != nil {
		return 0, nil, err
	}
	if len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return 0, nil, fmt.Errorf("%w: status line %q", errResponse, line)
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil {
		return 0, nil, fmt.Errorf("%w: status line %q", errResponse, line)
	}
	length, chunked, err := readHeader(r)
	switch {
	case err != nil:
		return 0, nil, err
	case status == 204 || status == 304:
		return status, buf, nil
	case chunked:
		buf, err = readChunks(r, buf)
	case length >= 0:
		buf, err = readExactly(r, buf, length)
	default:
		var rest []byte
		rest, err = io.ReadAll(r)
		buf = append(buf, rest...)
	}
	return status, buf, err
}

// readHeader reads the header section. length is -1 when it does not say.
func readHeader(r *bufio.Reader) (length int, chunked bool, err error) {
	length = -1
	for {
		line, err := readLine(r)
		if err != nil {
			return 0, false, err
		}
		if len(line) == 0 {
			return length, chunked, nil
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return 0, false, fmt.Errorf("%w: header %q", errResponse, line)
		}
		value = textproto.TrimBytes(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 {
				return 0, false, fmt.Errorf("%w: Content-Length %q", errResponse, value)
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = bytes.EqualFold(value, []byte("chunked"))
		}
	}
}

// readChunks reads a chunked body to the end of its trailers.
func readChunks(r *bufio.Reader, buf []byte) ([]byte, error) {
	for {
		line, err := readLine(r)
		if err != nil {
			return nil, err
		}
		size, _, _ := bytes.Cut(line, []byte(";")) // extensions mean nothing to us
		n, err := strconv.ParseUint(string(textproto.TrimBytes(size)), 16, 31)
		if err != nil {
			return nil, fmt.Errorf("%w: chunk size %q", errResponse, line)
		}
		if n == 0 {
			_, _, err := readHeader(r)
			return buf, err
		}
		if buf, err = readExactly(r, buf, int(n)); err != nil {
			return nil, err
		}
		if end, err := readLine(r); err != nil || len(end) > 0 {
			return nil, fmt.Errorf("%w: a chunk is longer than it says", errors.Join(errResponse, err))
		}
	}
}

func readExactly(r *bufio.Reader, buf []byte, n int) ([]byte, error) {
	at := len(buf)
	if cap(buf)-at < n {
		buf = append(make([]byte, 0, 2*(at+n)), buf...)
	}
	buf = buf[:at+n]
	_, err := io.ReadFull(r, buf[at:])
	return buf, err
}

// readLine reads a line without its end. It is valid until the next read.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		if err == io.EOF && len(line) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}
