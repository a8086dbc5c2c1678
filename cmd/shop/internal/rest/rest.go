// Package rest is a client of the shop's REST API for its own commands: it sends JSON, tries again politely, and understands problems.
package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Client speaks to one shop. The fields may be changed before the first request.
type Client struct {
	base string
	http *http.Client

	// Token is the bearer token of all requests; empty for none.
	Token string
	// Patience is how long a request is repeated while the shop is busy, restarting or out of reach (2 min).
	Patience time.Duration
	// Retried, if set, is told of each repetition and why.
	Retried func(why error)
}

// New makes a client of the shop at base, such as http://127.0.0.1:8080. connections is how many requests it may have under way.
func New(base string, connections int) *Client {
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		Proxy:               http.ProxyFromEnvironment,
		MaxIdleConns:        connections,
		MaxIdleConnsPerHost: connections,
		IdleConnTimeout:     time.Minute,
	}
	return &Client{base: strings.TrimRight(base, "/"), http: &http.Client{Transport: transport}, Patience: 2 * time.Minute}
}

// Close gives up idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Request is what is asked of the shop.
type Request struct {
	Method string
	Path   string // with its query
	Key    string // Idempotency-Key; empty for none
	Wait   int    // Prefer: wait, in seconds; 0 for none
	Body   any    // sent as JSON; nil for none
}

// Answer is a success.
type Answer struct {
	Status   int
	Replayed bool // the shop has answered this Idempotency-Key before
	Body     []byte
}

// Problem is an answer that says no (RFC 9457).
type Problem struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Errors []struct {
		Location string `json:"location"`
		Detail   string `json:"detail"`
	} `json:"errors"`

	retryAfter time.Duration
}

// Error is the problem on one line.
func (p *Problem) Error() string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	b := fmt.Appendf(nil, "%d %s: %s", p.Status, p.Code, text)
	for _, e := range p.Errors {
		b = fmt.Appendf(b, "; %s: %s", e.Location, e.Detail)
	}
	return string(b)
}

// temporary reports whether the same request may succeed later.
func (p *Problem) temporary() bool {
	switch p.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// attemptLimit is how long one attempt may take, beside what it is asked to wait.
const attemptLimit = 30 * time.Second

// Do sends the request, and while the shop is busy or out of reach sends it again, with the same key, so that it takes effect once. The answer is decoded into out unless
// that is nil. Errors: *Problem; the last failure when Patience is over; what ended ctx.
func (c *Client) Do(ctx context.Context, r Request, out any) (Answer, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = json.Marshal(r.Body); err != nil {
			return Answer{}, err
		}
	}
	repeatable := r.Method != http.MethodPost || r.Key != ""
	for began, attempt := time.Now(), 0; ; attempt++ {
		answer, err := c.attempt(ctx, r, body)
		if err == nil && out != nil {
			err = json.Unmarshal(answer.Body, out)
			return answer, err
		}
		var p *Problem
		isProblem := errors.As(err, &p)
		if err == nil || !repeatable || isProblem && !p.temporary() || ctx.Err() != nil || time.Since(began) > c.Patience {
			return answer, err
		}
		if c.Retried != nil {
			c.Retried(err)
		}
		pause := min(100*time.Millisecond<<min(attempt, 6), 5*time.Second)
		if isProblem {
			pause = max(pause, min(p.retryAfter, 30*time.Second))
		}
		select {
		case <-ctx.Done():
			return answer, ctx.Err()
		case <-time.After(time.Duration(float64(pause) * (0.5 + rand.Float64()))):
		}
	}
}

func (c *Client) attempt(ctx context.Context, r Request, body []byte) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptLimit+time.Duration(r.Wait)*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.Method, c.base+r.Path, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	req.Header.Set("Accept", "application/json")
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.Key != "" {
		req.Header.Set("Idempotency-Key", r.Key)
	}
	if r.Wait > 0 {
		req.Header.Set("Prefer", "wait="+strconv.Itoa(r.Wait))
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return Answer{}, err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return Answer{}, problemOf(resp, b)
	}
	return Answer{Status: resp.StatusCode, Replayed: resp.Header.Get("Idempotency-Replayed") == "true", Body: b}, nil
}

func problemOf(resp *http.Response, body []byte) *Problem {
	p := &Problem{}
	if err := json.Unmarshal(body, p); err != nil || p.Status == 0 {
		p = &Problem{Title: http.StatusText(resp.StatusCode)} // not from a shop: a proxy, perhaps
	}
	p.Status = resp.StatusCode
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		p.retryAfter = time.Duration(seconds) * time.Second
	}
	return p
}
