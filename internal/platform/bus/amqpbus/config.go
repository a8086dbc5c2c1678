package amqpbus

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	defaultPartitions = 8
	maxPartitions     = 256
)

// settings is what a URL says: amqp[s]://USER:PASSWORD@HOST:PORT[/VHOST][?partitions=8&queues=quorum].
type settings struct {
	url        string // without what is ours
	host       string
	partitions int
	quorum     bool
	client     string
}

var errURL = errors.New("expected amqp://USER:PASSWORD@HOST:PORT[/VHOST]")

// Check says what is wrong with a URL; nil: nothing.
func Check(url string) error {
	_, err := parse(url)
	return err
}

func parse(s string) (settings, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "amqp" && u.Scheme != "amqps" || u.Host == "" {
		return settings{}, errURL // without what net/url complains of: that may be the password
	}
	set := settings{host: u.Host, partitions: defaultPartitions}
	values := u.Query()
	for name := range values {
		if err := set.option(name, values.Get(name)); err != nil {
			return set, err
		}
	}
	u.RawQuery = ""
	set.url = u.String()
	if _, err := amqp.ParseURI(set.url); err != nil {
		return set, errURL
	}
	return set, nil
}

func (s *settings) option(name, value string) (err error) {
	switch name {
	case "partitions":
		s.partitions, err = strconv.Atoi(value)
		if err != nil || s.partitions < 1 || s.partitions > maxPartitions {
			return fmt.Errorf("amqp URL: partitions=%q is not from 1 to %d", value, maxPartitions)
		}
	case "queues":
		s.quorum = value == "quorum"
		if !s.quorum && value != "classic" {
			return fmt.Errorf("amqp URL: queues=%q is neither classic nor quorum", value)
		}
	default:
		return fmt.Errorf("amqp URL: %q is neither partitions nor queues", name)
	}
	return nil
}
