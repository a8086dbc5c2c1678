package asyncapi

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// protocols are the AsyncAPI names of the brokers' schemes.
var protocols = map[string]string{"nats": "nats", "tls": "nats", "kafka": "kafka", "amqp": "amqp", "amqps": "amqps"}

var address = regexp.MustCompile(`^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?$`)

// serversOf names the brokers of a bus by host and port, and nothing else that its URL may say. A bus within the process has no server.
func serversOf(bus string) tree {
	servers := tree{}
	u, err := url.Parse(bus)
	if err != nil || protocols[u.Scheme] == "" {
		return servers
	}
	for host := range strings.SplitSeq(u.Host, ",") {
		if !address.MatchString(host) {
			continue
		}
		name := "broker"
		if n := len(servers); n > 0 {
			name = fmt.Sprintf("broker-%d", n+1)
		}
		servers[name] = tree{"host": host, "protocol": protocols[u.Scheme]}
	}
	return servers
}
