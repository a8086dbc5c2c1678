package web

import (
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"
)

var strictJSON = huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: json.Unmarshal}
