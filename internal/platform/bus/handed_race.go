//go:build race

package bus

import (
	"errors"
	"reflect"
)

var errChanged = errors.New("bus: a message is not what its JSON says: somebody changed it, or a field has no JSON form")

// verify makes sure that a message is the same whether it was brought along within the process or came as JSON. All tests run with the race detector.
func (d *delivery) verify() {
	body, err := d.handler.decode(d.msg.Payload)
	if err != nil || !reflect.DeepEqual(body, d.body) {
		d.body, d.broken = nil, errors.Join(errChanged, err)
	}
}
