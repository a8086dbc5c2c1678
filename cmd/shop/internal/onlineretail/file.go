package onlineretail

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// line is one line of the file.
type line struct {
	number   int    // from 1, the header is the first
	text     string // as it stands in the file
	invoice  string
	code     string // the stock code
	name     string
	quantity int64
	date     string
	pence    int64 // the unit price
	fraction bool  // the unit price is not a whole number of pence
	customer string
	country  string
}

// maxLine bounds the length of a line in bytes.
const maxLine = 1 << 20

// columns are the names of the header in either edition of the data set, in small letters without spaces.
var columns = map[string]int{
	"invoiceno": colInvoice, "invoice": colInvoice, "stockcode": colCode, "description": colName, "quantity": colQuantity,
	"invoicedate": colDate, "unitprice": colPrice, "price": colPrice, "customerid": colCustomer, "country": colCountry,
}

const (
	colInvoice = iota
	colCode
	colName
	colQuantity
	colDate
	colPrice
	colCustomer
	colCountry
	columnCount
)

var columnNames = [columnCount]string{"InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"}

// readFile hands each line of the file to use, with the reason why it cannot be used, if there is one. It returns a hash of the content, the same whether it is compressed or not. Errors: those of reading;
// that it is not such a file.
func readFile(name string, use func(line, Reason)) (hash string, err error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	content, err := uncompressed(f)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	sum := sha256.New()
	if err := readLines(io.TeeReader(content, sum), use); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// uncompressed recognises gzip by its first bytes, whatever the file is called.
func uncompressed(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	magic, err := b.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return gzip.NewReader(b)
	}
	return b, nil
}

func readLines(r io.Reader, use func(line, Reason)) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	if !lines.Scan() {
		return errors.Join(errors.New("the file is empty"), lines.Err())
	}
	at, err := readHeader(strings.TrimPrefix(lines.Text(), "\ufeff"))
	if err != nil {
		return err
	}
	for number := 2; lines.Scan(); number++ {
		use(parse(number, lines.Text(), at))
	}
	return lines.Err()
}

// readHeader finds out where each column is.
func readHeader(text string) (at [columnCount]int, err error) {
	for c := range at {
		at[c] = -1
	}
	fields, err := split(text)
	if err != nil {
		return at, fmt.Errorf("the header: %w", err)
	}
	for i, name := range fields {
		if c, known := columns[strings.ToLower(strings.ReplaceAll(strings.TrimSpace(name), " ", ""))]; known {
			at[c] = i
		}
	}
	if c := slices.Index(at[:], -1); c >= 0 {
		return at, fmt.Errorf("this is not a file of Online Retail: its header has no column %s", columnNames[c])
	}
	return at, nil
}

// split takes a line of CSV apart (RFC 4180). Fields with line breaks are not known in this data set; a line is a record.
func split(text string) ([]string, error) {
	if !strings.Contains(text, `"`) {
		return strings.Split(text, ","), nil
	}
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord = -1
	return r.Read()
}

// parse reads one line. The reason says why it cannot be ordered; it is empty when it can.
func parse(number int, text string, at [columnCount]int) (line, Reason) {
	l := line{number: number, text: text}
	if !utf8.ValidString(text) {
		text = fromLatin1(text) // some copies of the data set are
	}
	fields, err := split(text)
	if err != nil || len(fields) <= slices.Max(at[:]) {
		return l, Malformed
	}
	field := func(c int) string { return strings.TrimSpace(fields[at[c]]) }
	l.invoice, l.code, l.name, l.date, l.country = field(colInvoice), field(colCode), field(colName), field(colDate), field(colCountry)
	l.customer = strings.TrimSuffix(field(colCustomer), ".0") // a number that went through a spreadsheet
	if l.invoice == "" || l.code == "" {
		return l, Malformed
	}
	if l.quantity, err = strconv.ParseInt(field(colQuantity), 10, 64); err != nil {
		return l, Malformed
	}
	if l.pence, l.fraction, err = parsePence(field(colPrice)); err != nil {
		return l, Malformed
	}
	return l, l.reject()
}

var errPrice = errors.New("not a price")

// parsePence reads a decimal number of pounds, exactly. What is beyond the pence is cut off and reported as a fraction.
func parsePence(s string) (pence int64, fraction bool, err error) {
	digits, negative := strings.CutPrefix(s, "-")
	pounds, decimals, _ := strings.Cut(digits, ".")
	if pounds == "" || strings.Trim(pounds+decimals, "0123456789") != "" {
		return 0, false, errPrice
	}
	decimals = strings.TrimRight(decimals, "0")
	if pence, err = strconv.ParseInt(pounds+(decimals + "00")[:2], 10, 64); err != nil {
		return 0, false, errPrice
	}
	if negative {
		pence = -pence
	}
	return pence, len(decimals) > 2, nil
}

func fromLatin1(s string) string {
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}
