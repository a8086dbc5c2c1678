package resilience

import (
	"net"
	"net/http"
	"time"
)

// Settings of the guards of all upstreams of a process.
type Settings struct {
	Timeout     time.Duration // of one attempt at a question
	Concurrency int           // questions under way to one upstream
	Retries     int           // attempts at a question after the first; 0: none
	Failures    int           // percent of the attempts in Window that fail when the breaker opens; 1 to 100
	MinCalls    int           // attempts in Window before it may
	Window      time.Duration
	HalfOpen    time.Duration // how long the breaker stays open before one attempt is let through
}

// Default settings.
func Default() Settings {
	return Settings{Timeout: 3 * time.Second, Concurrency: 64, Retries: 1, Failures: 50, MinCalls: 10, Window: 10 * time.Second, HalfOpen: 30 * time.Second}
}

const connectPatience = time.Second

// NewTransport makes the connections to one upstream, at most so many: a request waits for one within its deadline. No proxy of the environment is asked: the way to a
// context is this process's own.
func NewTransport(connections int) *http.Transport {
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: connectPatience, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout: 3 * time.Second,
		MaxConnsPerHost:     connections,
		MaxIdleConnsPerHost: max(1, connections/4),
		IdleConnTimeout:     30 * time.Second, // less than a shop's server keeps them: it does not close one that is about to be used
		DisableCompression:  true,
		ForceAttemptHTTP2:   true,
	}
}
