package web

import (
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"shop/internal/platform/fault"
	"shop/internal/platform/money"
)

// everything has a field of every kind that a shape knows.
type everything struct {
	Text     string            `json:"text" minLength:"2" maxLength:"5"`
	Code     string            `json:"code,omitempty" pattern:"^[A-Z]{2}$"`
	Email    string            `json:"email,omitempty" format:"email"`
	Choice   string            `json:"choice,omitempty" enum:"one,two"`
	URL      string            `json:"url,omitempty" format:"uri"`
	Int      int64             `json:"int,omitempty"`
	Small    int8              `json:"small,omitempty"`
	Count    uint16            `json:"count,omitempty" maximum:"1000"`
	Between  int               `json:"between,omitempty" exclusiveMinimum:"1" exclusiveMaximum:"5"`
	Ratio    float64           `json:"ratio,omitempty" minimum:"0" maximum:"1"`
	Yes      bool              `json:"yes,omitempty"`
	Optional *string           `json:"optional,omitempty" minLength:"1"`
	Nullable *int64            `json:"nullable" required:"false"`
	Price    money.Money       `json:"price,omitempty"`
	Limit    *money.Money      `json:"limit,omitempty"`
	List     []string          `json:"list,omitempty" minItems:"1" maxItems:"3" minLength:"1"`
	Lines    []money.Money     `json:"lines,omitempty" maxItems:"5"`
	Map      map[string]string `json:"map,omitempty" maxProperties:"2"`
	At       time.Time         `json:"at,omitzero"`
	Free     any               `json:"free,omitempty"`
	Raw      json.RawMessage   `json:"raw,omitempty"`
	Default  int64             `json:"default,omitempty" default:"7"`
	Pointer  *string           `json:"pointer,omitempty" default:"seven"`
	Unique   []int             `json:"unique,omitempty" uniqueItems:"true"`
	Children []everything      `json:"children,omitempty"`
	embedded
	Embedded
}

type embedded struct{ Hidden string }

type Embedded struct {
	Inner string `json:"inner,omitempty" maxLength:"3"`
}

func everythingShape() (huma.Registry, *huma.Schema, shape) {
	registry := huma.NewMapRegistry("#/components/schemas/", schemaName)
	t := reflect.TypeFor[everything]()
	schema := registry.Schema(t, true, "")
	return registry, schema, newShape(registry, t, schema)
}

func decodeEverything(body string) (everything, error) {
	registry, _, s := everythingShape()
	var v everything
	return v, decodeBody(registry, s, []byte(body), reflect.ValueOf(&v).Elem())
}

func TestAGoodBodyIsDecodedAsEncodingJSONDoes(t *testing.T) {
	body := `{"text":"déjà","code":"GB","email":"a@b.example","choice":"two","url":"https://example.com/","int":-9223372036854775808,"small":-128,
		"count":1000,"between":2,"ratio":0.25,"yes":true,"optional":"x","nullable":null,"price":{"amount":1999,"currency":"EUR"},
		"limit":{"currency":"USD","amount":-1},"list":["a","b"],"lines":[{"amount":1,"currency":"EUR"},{"amount":2,"currency":"EUR"}],
		"map":{"k":"v","":"empty"},"at":"2026-11-22T12:00:00.5+01:00","free":{"a":[1,null]},"raw":[1, 2],"inner":"abc","unique":[1,2],
		"children":[{"text":"\u0061\"\\\/\ud83d\ude00"}],"default":1,"pointer":"p"}`
	v, err := decodeEverything(body)
	require.NoError(t, err)
	var want everything
	require.NoError(t, json.Unmarshal([]byte(body), &want))
	want.Children[0].Default = 7 // encoding/json knows no defaults
	seven := "seven"
	want.Children[0].Pointer = &seven
	require.Equal(t, want, v)
}

func TestAMissingFieldGetsItsDefaultEachTimeAnew(t *testing.T) {
	a, err := decodeEverything(`{"text":"ab"}`)
	require.NoError(t, err)
	require.EqualValues(t, 7, a.Default)
	require.Equal(t, "seven", *a.Pointer)
	*a.Pointer = "changed"
	b, err := decodeEverything(`{"text":"ab","pointer":null}`)
	require.NoError(t, err)
	require.Equal(t, "seven", *b.Pointer)
}

func TestWhatIsNotStrictJSONIsMalformed(t *testing.T) {
	cases := map[string]struct{ body, code string }{
		"nothing":               {``, "malformed_json"},
		"white space":           {" \n", "malformed_json"},
		"half an object":        {`{"text":"ab"`, "malformed_json"},
		"half a string":         {`{"text":"a`, "malformed_json"},
		"half an escape":        {`{"text":"a\`, "malformed_json"},
		"trailing data":         {`{"text":"ab"}{}`, "malformed_json"},
		"trailing bracket":      {`{"text":"ab"}}`, "malformed_json"},
		"trailing NUL":          {"{\"text\":\"ab\"}\x00", "malformed_json"},
		"trailing comma":        {`{"text":"ab",}`, "malformed_json"},
		"comma in an array":     {`{"text":"ab","list":["a",]}`, "malformed_json"},
		"leading comma":         {`{,"text":"ab"}`, "malformed_json"},
		"missing colon":         {`{"text" "ab"}`, "malformed_json"},
		"single quotes":         {`{'text':'ab'}`, "malformed_json"},
		"bare key":              {`{text:"ab"}`, "malformed_json"},
		"comment":               {`{"text":"ab"/**/}`, "malformed_json"},
		"byte order mark":       {"\ufeff{\"text\":\"ab\"}", "malformed_json"},
		"NaN":                   {`{"text":"ab","ratio":NaN}`, "malformed_json"},
		"leading zero":          {`{"text":"ab","int":01}`, "malformed_json"},
		"leading plus":          {`{"text":"ab","int":+1}`, "malformed_json"},
		"no digits":             {`{"text":"ab","int":-}`, "malformed_json"},
		"no fraction":           {`{"text":"ab","ratio":1.}`, "malformed_json"},
		"no exponent":           {`{"text":"ab","ratio":1e}`, "malformed_json"},
		"hexadecimal":           {`{"text":"ab","int":0x1}`, "malformed_json"},
		"capital literal":       {`{"text":"ab","yes":True}`, "malformed_json"},
		"long literal":          {`{"text":"ab","yes":truex}`, "malformed_json"},
		"invalid UTF-8":         {"{\"text\":\"a\xff\"}", "malformed_json"},
		"overlong UTF-8":        {"{\"text\":\"a\xc0\x80\"}", "malformed_json"},
		"UTF-8 surrogate":       {"{\"text\":\"a\xed\xa0\x80\"}", "malformed_json"},
		"invalid UTF-8 in key":  {"{\"te\xff\":1}", "malformed_json"},
		"NUL escape":            {`{"text":"a\u0000"}`, "malformed_json"},
		"NUL byte":              {"{\"text\":\"a\x00\"}", "malformed_json"},
		"line feed in a string": {"{\"text\":\"a\n\"}", "malformed_json"},
		"unknown escape":        {`{"text":"a\x"}`, "malformed_json"},
		"short escape":          {`{"text":"a\u12"}`, "malformed_json"},
		"lone high surrogate":   {`{"text":"a\ud800"}`, "malformed_json"},
		"lone low surrogate":    {`{"text":"a\udc00"}`, "malformed_json"},
		"two high surrogates":   {`{"text":"a\ud800\ud800"}`, "malformed_json"},
		"duplicate field":       {`{"text":"ab","text":"ab"}`, "duplicate_key"},
		"duplicate by escape":   {`{"text":"ab","t\u0065xt":"ab"}`, "duplicate_key"},
		"duplicate in a map":    {`{"text":"ab","map":{"a":"1","a":"2"}}`, "duplicate_key"},
		"duplicate in any":      {`{"text":"ab","free":[{"a":1,"a":2}]}`, "duplicate_key"},
		"duplicate, unknown":    {`{"text":"ab","x":1,"x":2}`, "duplicate_key"},
		"33 levels":             {`{"text":"ab","free":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`, "too_deep"},
		"33 unknown levels":     {`{"text":"ab","x":` + strings.Repeat(`{"a":`, 32) + "1" + strings.Repeat("}", 32) + `}`, "too_deep"},
		"a million levels":      {strings.Repeat("[", 1<<20), "too_deep"},
		"broken rule before":    {`{"text":"a","extra":1} x`, "malformed_json"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := decodeEverything(c.body)
			f := fault.As(err)
			require.NotNil(t, f, "accepted")
			require.Equal(t, fault.Malformed, f.Kind, "%v", f)
			require.Equal(t, c.code, f.Code)
			require.Error(t, checkStrict([]byte(c.body)), "the scanner alone must refuse it too")
		})
	}
	_, err := decodeEverything(`{"text":"ab","free":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `}`)
	require.NoError(t, err, "32 levels are allowed")
}

func TestABrokenRuleIsNamedWithItsPlace(t *testing.T) {
	cases := []struct{ body, code, location, detail string }{
		{`{}`, "invalid_input", "body", "expected required property text to be present"},
		{`{"text":"ab","Int":1}`, "unknown_field", "body.Int", "unexpected property"},
		{`{"TEXT":"ab","text":"ab"}`, "unknown_field", "body.TEXT", "unexpected property"},
		{`{"text":"ab","Hidden":"x"}`, "unknown_field", "body.Hidden", "unexpected property"},
		{`{"text":"ab","price":{"amount":1,"currency":"EUR","owner":1}}`, "unknown_field", "body.price.owner", "unexpected property"},
		{`{"text":"ab","<script>":1}`, "unknown_field", "body.?", "unexpected property"},
		{`[]`, "invalid_input", "body", "expected object"},
		{`null`, "invalid_input", "body", "expected object"},
		{`"x"`, "invalid_input", "body", "expected object"},
		{`{"text":null}`, "invalid_input", "body.text", "expected string"},
		{`{"text":1}`, "invalid_input", "body.text", "expected string"},
		{`{"text":{}}`, "invalid_input", "body.text", "expected string"},
		{`{"text":"a"}`, "invalid_input", "body.text", "expected length >= 2"},
		{`{"text":"ééééé\u00e9"}`, "invalid_input", "body.text", "expected length <= 5"},
		{`{"text":"ab","code":"gb"}`, "invalid_input", "body.code", "expected string to match pattern ^[A-Z]{2}$"},
		{`{"text":"ab","code":"GB\n"}`, "invalid_input", "body.code", "expected string to match pattern ^[A-Z]{2}$"},
		{`{"text":"ab","email":"Ada <a@b.example>"}`, "invalid_input", "body.email", "expected an email address"},
		{`{"text":"ab","email":"a@b\r\nBcc: c@d"}`, "invalid_input", "body.email", "expected an email address"},
		{`{"text":"ab","choice":"three"}`, "invalid_input", "body.choice", `expected value to be one of "one, two"`},
		{`{"text":"ab","url":"http://[secret"}`, "invalid_input", "body.url", "expected string to be RFC 3986 uri"},
		{`{"text":"ab","int":1.5}`, "invalid_input", "body.int", "expected integer"},
		{`{"text":"ab","int":1.0}`, "invalid_input", "body.int", "expected integer"},
		{`{"text":"ab","int":1e3}`, "invalid_input", "body.int", "expected integer"},
		{`{"text":"ab","int":"1"}`, "invalid_input", "body.int", "expected integer"},
		{`{"text":"ab","int":9223372036854775808}`, "invalid_input", "body.int", "expected number <= 9223372036854775807"},
		{`{"text":"ab","int":-9223372036854775809}`, "invalid_input", "body.int", "expected number >= -9223372036854775808"},
		{`{"text":"ab","small":128}`, "invalid_input", "body.small", "expected number <= 127"},
		{`{"text":"ab","count":-1}`, "invalid_input", "body.count", "expected number >= 0"},
		{`{"text":"ab","count":1001}`, "invalid_input", "body.count", "expected number <= 1000"},
		{`{"text":"ab","between":1}`, "invalid_input", "body.between", "expected number >= 2"},
		{`{"text":"ab","between":5}`, "invalid_input", "body.between", "expected number <= 4"},
		{`{"text":"ab","ratio":1.5}`, "invalid_input", "body.ratio", "expected number <= 1"},
		{`{"text":"ab","ratio":1e999}`, "invalid_input", "body.ratio", "expected number"},
		{`{"text":"ab","yes":1}`, "invalid_input", "body.yes", "expected boolean"},
		{`{"text":"ab","optional":""}`, "invalid_input", "body.optional", "expected length >= 1"},
		{`{"text":"ab","price":{"amount":1,"currency":"eur"}}`, "invalid_input", "body.price.currency", "expected string to match pattern ^[A-Z]{3}$"},
		{`{"text":"ab","price":{"amount":1}}`, "invalid_input", "body.price", "expected required property currency to be present"},
		{`{"text":"ab","list":[]}`, "invalid_input", "body.list", "expected array length >= 1"},
		{`{"text":"ab","list":["a",""]}`, "invalid_input", "body.list[1]", "expected length >= 1"},
		{`{"text":"ab","list":["a",null]}`, "invalid_input", "body.list[1]", "expected string"},
		{`{"text":"ab","list":["a","b","c","d"]}`, "invalid_input", "body.list", "expected array length <= 3"},
		{`{"text":"ab","list":{}}`, "invalid_input", "body.list", "expected array"},
		{`{"text":"ab","lines":[{"amount":1,"currency":"EUR"},{"amount":"1","currency":"EUR"}]}`, "invalid_input", "body.lines[1].amount", "expected integer"},
		{`{"text":"ab","map":{"a":"1","b":"2","c":"3"}}`, "invalid_input", "body.map", "expected object with at most 2 properties"},
		{`{"text":"ab","map":{"a":1}}`, "invalid_input", "body.map.a", "expected string"},
		{`{"text":"ab","map":{"a b":1}}`, "invalid_input", "body.map.?", "expected string"},
		{`{"text":"ab","at":"yesterday"}`, "invalid_input", "body.at", "expected string to be RFC 3339 date-time"},
		{`{"text":"ab","inner":"abcd"}`, "invalid_input", "body.inner", "expected length <= 3"},
		{`{"text":"ab","unique":[1,1]}`, "invalid_input", "body.unique", "expected array items to be unique"},
		{`{"text":"ab","children":[{"text":"ab"},{"text":"ab","int":true}]}`, "invalid_input", "body.children[1].int", "expected integer"},
	}
	for _, c := range cases {
		t.Run(c.body, func(t *testing.T) {
			_, err := decodeEverything(c.body)
			f := fault.As(err)
			require.NotNil(t, f, "accepted")
			require.Equal(t, fault.Invalid, f.Kind, "%v", f)
			require.Equal(t, c.code, f.Code)
			require.Equal(t, []fault.Field{{Location: c.location, Detail: c.detail}}, f.Fields)
		})
	}
}

func TestAllBrokenRulesAreNamedUpToALimit(t *testing.T) {
	_, err := decodeEverything(`{"text":1,"int":"x","list":[1,2],"other":null}`)
	require.Equal(t, []fault.Field{
		{Location: "body.text", Detail: "expected string"},
		{Location: "body.int", Detail: "expected integer"},
		{Location: "body.list[0]", Detail: "expected string"},
		{Location: "body.list[1]", Detail: "expected string"},
		{Location: "body.other", Detail: "unexpected property"},
	}, fault.As(err).Fields)

	many := `{"text":"ab"`
	for i := range 1000 {
		many += `,"x` + strconv.Itoa(i) + `":1`
	}
	_, err = decodeEverything(many + "}")
	require.Len(t, fault.As(err).Fields, maxBroken)
}

func TestAHundredThousandLinesAreRefusedWithoutDecodingThem(t *testing.T) {
	registry, _, s := everythingShape()
	body := []byte(`{"text":"ab","lines":[` + strings.Repeat(`{"amount":1,"currency":"EUR"},`, 99_999) + `{"amount":1,"currency":"EUR"}]}`)
	var v everything
	err := decodeBody(registry, s, body, reflect.ValueOf(&v).Elem())
	require.Equal(t, []fault.Field{{Location: "body.lines", Detail: "expected array length <= 5"}}, fault.As(err).Fields)
	require.Len(t, v.Lines, 5)
}

func TestARefusalRepeatsNoValue(t *testing.T) {
	const secret = "hunter2"
	for _, body := range []string{
		`{"text":"hunter2"}`, `{"text":"ab","email":"hunter2"}`, `{"text":"ab","url":"http://hunter2:%zz"}`, `{"text":"ab","choice":"hunter2"}`,
		`{"text":"ab","at":"hunter2"}`, `{"text":"ab","list":"hunter2"}`, `{"text":"ab"} hunter2`, `hunter2`, `{"text":"ab","map":{"x":["hunter2"]}}`,
	} {
		_, err := decodeEverything(body)
		b, jsonErr := json.Marshal(fault.As(err))
		require.NoError(t, jsonErr)
		require.NotContains(t, string(b), secret, body)
	}
}

// FuzzDecode holds decode against what it replaces: strict syntax, huma's validation of maps, encoding/json's decoding.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"text":"ab"}`))
	f.Add([]byte(`{"text":"\ud83d\ude00","int":-1,"ratio":0.5,"list":["a"],"map":{"k":"v"},"children":[{"text":"ab"}]}`))
	f.Add([]byte(`{"text":"ab","price":{"amount":1,"currency":"EUR"},"free":[1,{"a":null}],"at":"2026-11-22T12:00:00Z"}`))
	f.Add([]byte(`{"text":"ab","Text":"x","int":1.5,"small":300,"yes":null,"unique":[1,1],"limit":null}`))
	f.Add([]byte("[[[[{\"a\":\"\xff\"}]]]] x"))
	registry, schema, s := everythingShape()
	f.Fuzz(func(t *testing.T, data []byte) { requireAgreement(t, registry, schema, s, data) })
}

// TestDecodeAgreesWithWhatItReplaces is FuzzDecode with bodies that are mostly right, so that it comes deeper.
func TestDecodeAgreesWithWhatItReplaces(t *testing.T) {
	registry, schema, s := everythingShape()
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		if requireAgreement(t, registry, schema, s, []byte(drawObject(t, 0))) {
			accepted++
		}
	})
	require.Positive(t, accepted)
}

func drawObject(t *rapid.T, depth int) string {
	names := rapid.SliceOfNDistinct(rapid.SampledFrom(strings.Fields(`text code choice url int small count between ratio yes optional nullable price
		limit list lines map at free raw default pointer unique children inner`)), 0, 6, rapid.ID[string]).Draw(t, "names")
	fields := []string{`"text":"abc"`}
	for _, name := range names {
		if name == "text" {
			fields = fields[1:]
		}
		fields = append(fields, strconv.Quote(name)+":"+drawValue(t, name, depth))
	}
	if rapid.IntRange(0, 19).Draw(t, "spoil") == 0 {
		fields = append(fields, rapid.SampledFrom([]string{`"Int":1`, `"extra":{}`, `"text":"twice"`, `"":1`}).Draw(t, "extra"))
	}
	return "{" + strings.Join(fields, rapid.SampledFrom([]string{",", " ,\n"}).Draw(t, "comma")) + "}"
}

// drawValue is mostly a good value for the field, and sometimes any value.
func drawValue(t *rapid.T, name string, depth int) string {
	good := map[string][]string{
		"text": {`"ab"`, `"d\u00e9j\u00e0"`, `"\ud83d\ude00x"`}, "code": {`"GB"`}, "choice": {`"one"`, `"two"`}, "url": {`"https://example.com"`},
		"int": {`0`, `-0`, `1`, `9223372036854775807`, `-9223372036854775808`}, "small": {`127`, `-128`}, "count": {`0`, `1000`}, "between": {`2`, `4`},
		"ratio": {`0`, `1`, `0.5`, `1e-1`}, "yes": {`true`, `false`}, "optional": {`"x"`, `null`}, "nullable": {`1`, `null`},
		"price": {`{"amount":1,"currency":"EUR"}`}, "limit": {`{"currency":"EUR","amount":-5}`, `null`}, "list": {`["a"]`, `[ "a" , "b" ]`},
		"lines": {`[]`, `[{"amount":1,"currency":"EUR"}]`}, "map": {`{}`, `{"a":"b"}`, `{"\u0061":"b","c":""}`}, "at": {`"2026-11-22T12:00:00Z"`},
		"free": {`1`, `null`, `{"a":[{}]}`}, "raw": {`[1, 2]`, `"x"`}, "default": {`0`, `8`}, "pointer": {`"p"`, `null`}, "unique": {`[1,2]`, `[]`}, "inner": {`"abc"`},
	}
	strange := []string{`null`, `1`, `-1`, `1.5`, `1e2`, `128`, `99999999999999999999`, `""`, `"a"`, `"abcdefghijkl"`, `true`, `[]`, `[1,1]`, `["a","b","c","d"]`, `[null]`,
		`{}`, `{"amount":1}`, `{"a":1}`, `{"a":"1","b":"2","c":"3"}`, `{"amount":1,"currency":"EUR","x":1}`, `"\ud800"`}
	switch {
	case rapid.IntRange(0, 9).Draw(t, "strange") == 0:
		return rapid.SampledFrom(strange).Draw(t, "value")
	case name == "children" && depth == 3:
		return "[]"
	case name == "children":
		return "[" + drawObject(t, depth+1) + "]"
	}
	return rapid.SampledFrom(good[name]).Draw(t, "value")
}

// requireAgreement reports whether the body was accepted.
func requireAgreement(t rapid.TB, registry huma.Registry, schema *huma.Schema, s shape, data []byte) bool {
	var got everything
	err := decodeBody(registry, s, data, reflect.ValueOf(&got).Elem())
	strict := checkStrict(data)
	f := fault.As(err)
	require.Equal(t, strict != nil, f != nil && f.Kind == fault.Malformed, "decode says %v, the scanner alone %v: %s", err, strict, data)
	if strict != nil {
		return false
	}
	require.True(t, json.Valid(data), "accepted what is no JSON: %s", data)
	want, refused := reference(registry, schema, data)
	if strings.Contains(string(data), "email") { // stricter on purpose: no name before the address
		return err == nil
	}
	require.Equal(t, refused == nil, err == nil, "decode says %v, the reference %v: %s", err, refused, data)
	if err == nil {
		got.setDefaults() // the reference takes an explicit 0 for none
		a, _ := json.Marshal(got)
		b, _ := json.Marshal(want)
		require.Equal(t, string(b), string(a))
	}
	return err == nil
}

// reference decodes as huma does.
func reference(registry huma.Registry, schema *huma.Schema, data []byte) (v everything, err error) {
	var parsed any
	if err := json.Unmarshal(data, &parsed); err != nil {
		return v, err
	}
	var result huma.ValidateResult
	huma.Validate(registry, schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, parsed, &result)
	if len(result.Errors) > 0 {
		return v, errors.Join(result.Errors...)
	}
	err = json.Unmarshal(data, &v)
	v.setDefaults()
	return v, err
}

func (e *everything) setDefaults() {
	if e.Default == 0 {
		e.Default = 7
	}
	if e.Pointer == nil {
		seven := "seven"
		e.Pointer = &seven
	}
	for i := range e.Children {
		e.Children[i].setDefaults()
	}
}

func TestASchemaIsNamedAfterItsContext(t *testing.T) {
	for path, names := range map[string][2]string{
		"shop/internal/orders":           {"item", "OrderItem"},
		"shop/internal/orders/ordersapi": {"order", "Order"},
		"shop/internal/catalog":          {"product", "CatalogProduct"},
		"shop/internal/payments":         {"paymentBody", "PaymentBody"},
		"shop/internal/platform/money":   {"Money", "Money"},
		"":                               {"string", "String"},
	} {
		require.Equal(t, names[1], qualifiedName(path, names[0]))
	}
	require.Equal(t, "MoneyPage", schemaName(reflect.TypeFor[Page[money.Money]](), ""))
	require.Equal(t, "MoneyPage", schemaName(reflect.TypeFor[*Page[*money.Money]](), ""))
	require.Equal(t, "Hint", schemaName(reflect.TypeFor[struct{}](), "hint"))
}
