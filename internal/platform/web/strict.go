package web

import (
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"
)

// strictJSON is the format for operations that are registered with huma itself. huma unmarshals a body twice, into any
// and into the struct: once is enough to be strict. Operations of Register do not come this way, see bodyReader.
var strictJSON = huma.Format{
	Marshal: huma.DefaultJSONFormat.Marshal,
	Unmarshal: func(data []byte, v any) error {
		if _, first := v.(*any); first {
			if err := checkStrict(data); err != nil {
				return err
			}
		}
		return json.Unmarshal(data, v)
	},
}
