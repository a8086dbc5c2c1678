package kafkabus

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

const (
	scheme            = "kafka://"
	defaultPartitions = 16
	brokerDefault     = -1 // lets the broker choose the replication factor
	patience          = time.Second
)

// settings is what a URL says: kafka://[USER:PASSWORD@]HOST:PORT[,HOST:PORT…][?partitions=16&replication=3&tls=true].
type settings struct {
	brokers        []string
	user, password string // SASL/PLAIN
	tls            bool
	partitions     int32
	replication    int16
	client         string
}

var errURL = errors.New("expected kafka://HOST:PORT[,HOST:PORT…]")

// Check says what is wrong with a URL; nil: nothing.
func Check(url string) error {
	_, err := parse(url)
	return err
}

// parse reads the URL by hand where net/url, which knows one host only, cannot.
func parse(s string) (settings, error) {
	set := settings{partitions: defaultPartitions, replication: brokerDefault}
	rest, ok := strings.CutPrefix(s, scheme)
	if !ok {
		return set, errURL
	}
	rest, query, _ := strings.Cut(rest, "?")
	rest = strings.TrimSuffix(rest, "/")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		u, err := url.Parse(scheme + rest[:at] + "@host")
		if err != nil {
			return set, errURL // without what it complains of: that may be the password
		}
		set.user = u.User.Username()
		set.password, _ = u.User.Password()
		rest = rest[at+1:]
	}
	set.brokers = strings.Split(rest, ",")
	for _, b := range set.brokers {
		if host, port, ok := strings.Cut(b, ":"); !ok || host == "" || port == "" || strings.ContainsAny(b, "/ ") {
			return set, errURL
		}
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return set, fmt.Errorf("kafka URL: %w", err)
	}
	for name := range values {
		if err := set.option(name, values.Get(name)); err != nil {
			return set, err
		}
	}
	return set, nil
}

func (s *settings) option(name, value string) error {
	var err error
	switch name {
	case "partitions":
		s.partitions, err = number[int32](value)
	case "replication":
		s.replication, err = number[int16](value)
	case "tls":
		s.tls, err = strconv.ParseBool(value)
	default:
		return fmt.Errorf("kafka URL: %q is none of partitions, replication, tls", name)
	}
	if err != nil {
		return fmt.Errorf("kafka URL: %s=%q is not possible", name, value)
	}
	return nil
}

func number[T int16 | int32](s string) (T, error) {
	n, err := strconv.ParseInt(s, 10, 16)
	if err == nil && n < 1 {
		err = strconv.ErrRange
	}
	return T(n), err
}

func (s *settings) common() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V2_8_0_0
	c.ClientID = s.client
	c.Net.DialTimeout = 3 * time.Second
	c.Net.TLS.Enable = s.tls
	if s.user != "" {
		c.Net.SASL.Enable, c.Net.SASL.User, c.Net.SASL.Password = true, s.user, s.password
	}
	c.Metadata.AllowAutoTopicCreation = false
	return c
}

// asking is for questions whose answer somebody waits for.
func (s *settings) asking() *sarama.Config {
	c := s.common()
	c.Net.DialTimeout, c.Net.ReadTimeout, c.Net.WriteTimeout = patience, patience, patience
	c.Metadata.Timeout = patience
	c.Metadata.Retry.Max = 0
	return c
}

// publishing gives up after some 30 s at the latest; the relay sends again.
func (s *settings) publishing() *sarama.Config {
	c := s.common()
	c.Net.ReadTimeout, c.Net.WriteTimeout = 10*time.Second, 10*time.Second
	c.Net.MaxOpenRequests = 1 // what was sent again may not be overtaken
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Idempotent = true
	c.Producer.Timeout = 5 * time.Second
	c.Producer.Retry.Max = 2
	c.Producer.Return.Successes = true
	return c
}

// consuming commits, once a second, the offsets of what was acknowledged, and of nothing else.
func (s *settings) consuming() *sarama.Config {
	c := s.common()
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Return.Errors = true
	c.Consumer.Group.Rebalance.Timeout = 20 * time.Second // below Net.ReadTimeout, 30 s, with which its answer is awaited
	c.Consumer.Group.Rebalance.Retry.Backoff = 250 * time.Millisecond
	c.Consumer.Group.Heartbeat.Interval = time.Second
	return c
}
