package natsbus

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
)

// metaID is the CloudEvents id of a message, the same whenever it is sent again.
const metaID = "ce_id"

func idOf(msg *message.Message) string {
	if id := msg.Metadata.Get(metaID); id != "" {
		return encode(id)
	}
	return encode(msg.UUID)
}

// toNATS makes a NATS message of a message. Metadata without a value are left out: they mean the same.
func toNATS(subject string, msg *message.Message) *nats.Msg {
	m := &nats.Msg{Subject: subject, Header: nats.Header{}, Data: msg.Payload}
	for name, value := range msg.Metadata {
		if value != "" {
			m.Header[name] = []string{encode(value)}
		}
	}
	return m
}

// fromNATS makes a message of a NATS message.
func fromNATS(headers nats.Header, data []byte) *message.Message {
	metadata := make(message.Metadata, len(headers))
	for name, values := range headers {
		if strings.HasPrefix(name, "Nats-") || len(values) == 0 { // the broker's own
			continue
		}
		metadata[name] = decode(values[0])
	}
	msg := message.NewMessage(metadata.Get(metaID), data)
	msg.Metadata = metadata
	return msg
}

// encode percent-encodes what is not visible ASCII, and the percent sign, as the HTTP binding of CloudEvents 1.0.2 does (§3.1.3.2).
func encode(s string) string {
	for i := range len(s) {
		if !visible(s[i]) {
			return encodeFrom(s, i)
		}
	}
	return s
}

func visible(c byte) bool { return c > ' ' && c <= '~' && c != '%' && c != '"' }

func encodeFrom(s string, first int) string {
	var b strings.Builder
	b.WriteString(s[:first])
	for _, c := range []byte(s[first:]) {
		if visible(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// decode takes what is no encoding as it is.
func decode(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}
