package bus

import (
	"context"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb"
)

type described struct {
	Note string `json:"note,omitempty"`
	descriptor
	Amount int64 `json:"amount"`
}

type descriptor struct {
	Reference string `json:"reference"`
}

func (described) MessageType() Type    { return NewEvent("stock", "thing.described", 2) }
func (d described) MessageKey() string { return d.Reference }

type keyless struct{ Note string }

func (keyless) MessageType() Type  { return NewCommand("stock", "thing.say", 1) }
func (keyless) MessageKey() string { return "" }

func TestADescriptionNamesTheFieldThatIsTheKey(t *testing.T) {
	d := Describe[described]("A thing was described.")
	require.Equal(t, "reference", d.Key)
	require.Equal(t, "shop.stock.thing.described.v2", d.Type.String())
	require.Equal(t, reflect.TypeFor[described](), d.Body)
	require.Equal(t, "A thing was described.", d.About)
	require.Empty(t, Describe[keyless]("").Key)
}

func TestAnEndpointKnowsWhatItHears(t *testing.T) {
	e := NewEndpoint(Config{Context: "ear", Transport: NewMemory()})
	require.Empty(t, e.Hears())
	On(e, func(context.Context, *sqldb.Tx, described) error { return nil })
	On(e, func(context.Context, *sqldb.Tx, keyless) error { return nil })
	require.Equal(t, []Type{described{}.MessageType(), keyless{}.MessageType()}, e.Hears())
}
