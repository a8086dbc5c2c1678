package customers

import (
	"encoding/json"
	"net/mail"

	"github.com/danielgtaylor/huma/v2"

	"shop/internal/platform/fault"
)

// patchBody is a merge patch of a profile (RFC 7396), which tells null from missing.
type patchBody struct {
	Name  nullable `json:"name,omitempty" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f]*$" example:"Ada King"`
	Email nullable `json:"email,omitempty" format:"email" minLength:"1" maxLength:"254" pattern:"^[^\\x00-\\x1f\\x7f]*$" example:"ada@example.org"`
	Phone nullable `json:"phone,omitempty" maxLength:"40" pattern:"^[^\\x00-\\x1f\\x7f]*$" doc:"null takes it away"`
}

// nullable is a text, or null, or missing.
type nullable struct {
	text        string
	given, null bool
}

// UnmarshalJSON reads a text or null.
func (n *nullable) UnmarshalJSON(b []byte) error {
	*n = nullable{given: true, null: string(b) == "null"}
	if n.null {
		return nil
	}
	return json.Unmarshal(b, &n.text)
}

// Schema documents it.
func (n *nullable) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Nullable: true}
}

// patch is what shall change. Errors: a fault of kind Invalid for what cannot be taken away, or is no address.
func (b patchBody) patch() (patch, error) {
	var broken []fault.Field
	for _, f := range []struct {
		name  string
		value nullable
	}{{"name", b.Name}, {"email", b.Email}} {
		if f.value.null {
			broken = append(broken, fault.Field{Location: "body." + f.name, Detail: "expected string"})
		}
	}
	if a, err := mail.ParseAddress(b.Email.text); b.Email.given && !b.Email.null && (err != nil || a.Address != b.Email.text) { // the address alone, without a name
		broken = append(broken, fault.Field{Location: "body.email", Detail: "expected an email address"})
	}
	if len(broken) > 0 {
		return patch{}, fault.New(fault.Invalid, "invalid_input", "the body breaks a rule").With(broken...)
	}
	var p patch
	for _, f := range []struct {
		to    **string
		value nullable
	}{{&p.name, b.Name}, {&p.email, b.Email}, {&p.phone, b.Phone}} {
		if f.value.given {
			*f.to = &f.value.text
		}
	}
	return p, nil
}
