package bus

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"

	"shop/internal/platform/sqldb"
	"shop/internal/platform/telemetry"
)

// A row of the outbox is a parcel: messages of one transaction that go to one topic, in their order. Jobs share transactions, so a parcel often has many messages; a row
// and its index entry for each would be most of what is written.
//
// Its content is text: a line with the parcel's name, then one for each message, fields between tabs and the body last. What is longer than a few lines is
// compressed, with zstd (RFC 8878): the messages of a parcel have much in common, and what is left out the database need not read and log.

// A parcel has no more than so many messages, and is not much larger than so many bytes.
const (
	parcelMessages = 62 // one bit each in the inbox, and one for messages that came in no parcel
	parcelBytes    = 32 << 10
)

// compressedFrom is the size, in bytes, from which content is compressed. Below it is not worth the time.
const compressedFrom = 512

// parcel is a row of the outbox.
type parcel struct {
	ID        int64  `db:"id"`
	Topic     string `db:"topic"`
	Content   []byte `db:"content"` // letters, as text; in the outbox it may be compressed
	CreatedAt int64  `db:"created_at"`

	letters []letter
	name    string // of a parcel that is being packed
}

const parcelFields = `id, topic, content, created_at`

// letter is a message on its way, and a part of a parcel.
type letter struct {
	ID          string          `json:"i"` // the parcel's name and its own place
	Type        string          `json:"t"`
	Key         string          `json:"k"`
	Traceparent string          `json:"tp"`
	Correlation string          `json:"co"` // empty: its own id
	Causation   string          `json:"ca"`
	Body        json.RawMessage `json:"b"`
	topic       string
	value       Body // what Body is the JSON of; nil when it was read from the outbox
}

var (
	processID  = strings.ToLower(rand.Text()[:9])
	lastParcel atomic.Uint64
)

// newParcelID names a parcel: 45 random bits of this process's start, and a number. Ids are in each row of an inbox, twice in each event, and so they are short.
func newParcelID() string {
	return processID + "." + strconv.FormatUint(lastParcel.Add(1), 36)
}

// messageID names a message by its parcel and its place there, from 0.
func messageID(parcel string, place int) string { return parcel + "." + strconv.Itoa(place) }

// pack makes parcels of the letters that a transaction wrote. Each row keeps its letters as a fifth value, for written.
func (e *Endpoint) pack(rows [][]any) [][]any {
	now := sqldb.Micros(e.cfg.Clock.Now())
	open := map[string]*parcel{}
	var parcels []*parcel
	for _, row := range rows {
		l := row[0].(letter)
		p := open[l.topic]
		if p == nil || len(p.letters) == parcelMessages || len(p.Content) >= parcelBytes {
			name := newParcelID()
			p = &parcel{Topic: l.topic, Content: []byte(name), CreatedAt: now, name: name}
			open[l.topic] = p
			parcels = append(parcels, p)
		}
		p.add(l)
	}
	packed := make([][]any, len(parcels))
	for i, p := range parcels {
		packed[i] = []any{p.Topic, int64(len(p.letters)), p.stored(), p.CreatedAt, p.letters}
	}
	return packed
}

// zstd's encoder and decoder may be used by many at a time.
var (
	encoder = sync.OnceValue(func() *zstd.Encoder {
		return must(zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(parcelBytes), zstd.WithLowerEncoderMem(true)))
	})
	decoder = sync.OnceValue(func() *zstd.Decoder {
		return must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true)))
	})
)

// must is for options that are constants.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// stored is the content as it stands in the outbox.
func (p *parcel) stored() sqldb.Blob {
	if len(p.Content) < compressedFrom {
		return p.Content
	}
	return encoder().EncodeAll(p.Content, make([]byte, 0, len(p.Content)/2))
}

// zstdMagic begins what is compressed, and no text.
var zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// add puts a letter into the parcel. Its body is JSON already, which has neither tab nor newline.
func (p *parcel) add(l letter) {
	b := append(p.Content, '\n')
	if n := len(p.letters); n == 0 || p.letters[n-1].Type != l.Type { // else it says nothing: the same again
		b = appendField(b, l.Type)
	}
	for _, field := range [...]string{l.Key, telemetry.Abridge(l.Traceparent, l.Key), l.Correlation, l.Causation} {
		b = appendField(append(b, '\t'), field)
	}
	p.Content = append(append(b, '\t'), l.Body...)
	l.ID = messageID(p.name, len(p.letters))
	p.letters = append(p.letters, l)
}

// appendField writes a field as it is, or as a JSON string if it has bytes that it must not have.
func appendField(b []byte, s string) []byte {
	plain := !strings.HasPrefix(s, `"`) && utf8.ValidString(s)
	for i := 0; plain && i < len(s); i++ {
		plain = s[i] >= ' '
	}
	if plain {
		return append(b, s...)
	}
	quoted, _ := json.Marshal(s) // a string always has a JSON form
	return append(b, quoted...)
}

var errTorn = errors.New("it is torn")

// open reads the letters of a parcel that came from the database.
func (p *parcel) open() error {
	var err error
	if bytes.HasPrefix(p.Content, zstdMagic) {
		if p.Content, err = decoder().DecodeAll(p.Content, nil); err != nil {
			return fmt.Errorf("outbox row %d: %w", p.ID, err)
		}
	}
	if bytes.HasPrefix(p.Content, []byte{'['}) {
		err = p.openJSON()
	} else {
		err = p.openText()
	}
	if err != nil {
		p.letters = nil
		return fmt.Errorf("outbox row %d: %w", p.ID, err)
	}
	return nil
}

func (p *parcel) openText() error {
	if !utf8.Valid(p.Content) {
		return errTorn
	}
	name, rest, _ := bytes.Cut(p.Content, []byte{'\n'})
	p.name = string(name)
	for len(rest) > 0 {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte{'\n'})
		fields := bytes.SplitN(line, []byte{'\t'}, 6)
		if len(fields) != 6 || !json.Valid(fields[5]) {
			return errTorn
		}
		var words [5]string
		for i := range words {
			words[i] = string(fields[i])
			if strings.HasPrefix(words[i], `"`) {
				if err := json.Unmarshal(fields[i], &words[i]); err != nil {
					return err
				}
			}
		}
		if n := len(p.letters); n > 0 && len(fields[0]) == 0 {
			words[0] = p.letters[n-1].Type
		}
		p.letters = append(p.letters, letter{ID: messageID(p.name, len(p.letters)), Type: words[0], Key: words[1], Traceparent: telemetry.Unabridged(words[2], words[1]),
			Correlation: words[3], Causation: words[4], Body: fields[5]})
	}
	return nil
}

// openJSON reads a parcel of an older version: an array, with the id of the first letter only.
func (p *parcel) openJSON() error {
	if err := json.Unmarshal(p.Content, &p.letters); err != nil {
		return err
	}
	for i := 1; i < len(p.letters); i++ {
		if l := &p.letters[i]; l.ID == "" {
			name, _ := placeOf(p.letters[0].ID)
			l.ID = messageID(name, i)
		}
	}
	return nil
}
