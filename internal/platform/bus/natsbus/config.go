package natsbus

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

const (
	scheme      = "nats://"
	maxReplicas = 5 // of JetStream
)

// settings is what a URL says: nats://[USER:PASSWORD@]HOST:PORT[,HOST:PORT…][?replicas=3&max_bytes=10000000000&tls=true].
type settings struct {
	servers  string // as nats.Connect wants them
	replicas int    // of a stream that is created
	maxBytes int64  // that such a stream may have; -1: no bound but the server's
	tls      bool
}

var errURL = errors.New("expected nats://HOST:PORT[,HOST:PORT…]") // without what was given: it may have a password

// Check says what is wrong with a URL; nil: nothing.
func Check(url string) error {
	_, err := parse(url)
	return err
}

func parse(s string) (settings, error) {
	set := settings{replicas: 1, maxBytes: -1}
	rest, ok := strings.CutPrefix(s, scheme)
	if !ok {
		return set, errURL
	}
	rest, query, _ := strings.Cut(rest, "?")
	var servers []string
	user, hosts := "", strings.TrimSuffix(rest, "/")
	if at := strings.LastIndexByte(hosts, '@'); at >= 0 {
		user, hosts = hosts[:at+1], hosts[at+1:]
	}
	for _, host := range strings.Split(hosts, ",") {
		u, err := url.Parse(scheme + user + host)
		if err != nil || u.Hostname() == "" || u.Path != "" {
			return set, errURL
		}
		servers = append(servers, u.String())
	}
	set.servers = strings.Join(servers, ",")
	values, err := url.ParseQuery(query)
	if err != nil {
		return set, fmt.Errorf("nats URL: %w", err)
	}
	for name := range values {
		if err := set.option(name, values.Get(name)); err != nil {
			return set, err
		}
	}
	return set, nil
}

func (s *settings) option(name, value string) (err error) {
	switch name {
	case "replicas":
		s.replicas, err = strconv.Atoi(value)
		if err == nil && (s.replicas < 1 || s.replicas > maxReplicas) {
			err = fmt.Errorf("expected 1 to %d", maxReplicas)
		}
	case "max_bytes":
		s.maxBytes, err = strconv.ParseInt(value, 10, 64)
		if err == nil && s.maxBytes < 1 {
			err = errors.New("expected at least 1")
		}
	case "tls":
		s.tls, err = strconv.ParseBool(value)
	default:
		return fmt.Errorf("nats URL: %q is none of replicas, max_bytes, tls", name)
	}
	if err != nil {
		return fmt.Errorf("nats URL: %s: %w", name, err)
	}
	return nil
}
