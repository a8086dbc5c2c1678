package onlineretail

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"

// written is a file with the content.
func written(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "retail.csv")
	require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
	return name
}

func TestPricesAreReadExactly(t *testing.T) {
	for text, want := range map[string]int64{
		"2.55": 255, "2.5": 250, "2.50": 250, "2": 200, "2.": 200, "0.0": 0, "0.29": 29, "18.0": 1800, "13541.33": 1354133, "-11062.06": -1106206,
		"4.2500000": 425, "0.07": 7, "90071992547409.93": 9007199254740993, // more digits than a float has
	} {
		pence, fraction, err := parsePence(text)
		require.NoError(t, err, text)
		require.False(t, fraction, text)
		require.Equal(t, want, pence, text)
	}
	for _, text := range []string{"0.001", "4.2500001", "-0.005"} {
		_, fraction, err := parsePence(text)
		require.NoError(t, err, text)
		require.True(t, fraction, text)
	}
	for _, text := range []string{"", "-", ".", ".5", "1e3", "+1", "1,5", "NaN", "£2", "1.2.3", "--1", "99999999999999999999"} {
		_, _, err := parsePence(text)
		require.Error(t, err, text)
	}
}

func TestEachLineThatCannotBeOrderedHasItsReason(t *testing.T) {
	at, err := readHeader(strings.TrimSpace(header))
	require.NoError(t, err)
	for text, want := range map[string]Reason{
		"536365,85123A,HEART,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom":      "",
		"536365,15056bl,HEART,6,2010-12-01 08:26:00,2.55,,United Kingdom":            "",
		"536365,DCGS0076,SUNJAR,1,2010-12-01 08:26:00,2.55,,United Kingdom":          "",
		`536365,21977,"PACK, OF 60",10000,2010-12-01,1000000.00,1,EIRE`:              "",
		"C536379,D,Discount,-1,2010-12-01 09:41:00,27.5,14527.0,United Kingdom":      Cancellation,
		"c536379,85123A,HEART,-1,2010-12-01 09:41:00,27.5,14527.0,United Kingdom":    Cancellation,
		"536370,POST,POSTAGE,3,2010-12-01 08:45:00,18.0,12583.0,France":              NotMerchandise,
		"536370,m,Manual,3,2010-12-01 08:45:00,18.0,12583.0,France":                  NotMerchandise,
		"536370,C2,CARRIAGE,3,2010-12-01 08:45:00,18.0,12583.0,France":               NotMerchandise,
		"536370,BANK CHARGES,Bank,1,2010-12-01,15.0,12583.0,France":                  NotMerchandise,
		"536370,gift_0001_20,Voucher,1,2010-12-01,16.67,,France":                     NotMerchandise,
		"536370,AMAZONFEE,Fee,1,2010-12-01,13541.33,,France":                         NotMerchandise,
		"A563185,B,Adjust bad debt,1,2011-08-12,11062.06,,United Kingdom":            NotMerchandise,
		"536370,CRUK,Commission,1,2010-12-01,1.6,1,France":                           NotMerchandise,
		"536370,PADS,PADS TO MATCH,1,2010-12-01,0.001,1,France":                      NotMerchandise,
		"536589,21777,,-10,2010-12-01 16:50:00,0.0,,United Kingdom":                  QuantityNotAbove0,
		"536589,21777,,0,2010-12-01 16:50:00,1.0,,United Kingdom":                    QuantityNotAbove0,
		"536414,22139,,56,2010-12-01 11:52:00,0.0,,United Kingdom":                   PriceNotAbove0,
		"536414,22139,,56,2010-12-01 11:52:00,-1.0,,United Kingdom":                  PriceNotAbove0,
		"536414,22139,X,56,2010-12-01 11:52:00,0.001,,United Kingdom":                FractionOfPenny,
		"541431,23166,JAR,74215,2011-01-18 10:01:00,1.04,12346.0,United Kingdom":     QuantityTooLarge,
		"541431,23166,JAR,1,2011-01-18 10:01:00,1000000.01,12346.0,United Kingdom":   PriceTooHigh,
		"541431,23166,JAR,1.5,2011-01-18 10:01:00,1.04,12346.0,United Kingdom":       Malformed,
		"541431,23166,JAR,one,2011-01-18 10:01:00,1.04,12346.0,United Kingdom":       Malformed,
		"541431,23166,JAR,1,2011-01-18 10:01:00,dear,12346.0,United Kingdom":         Malformed,
		"541431,23166,JAR,1,2011-01-18 10:01:00":                                     Malformed,
		",23166,JAR,1,2011-01-18 10:01:00,1.04,12346.0,United Kingdom":               Malformed,
		"541431,,JAR,1,2011-01-18 10:01:00,1.04,12346.0,United Kingdom":              Malformed,
		`541431,23166,"JAR,1,2011-01-18 10:01:00,1.04,12346.0,United Kingdom`:        Malformed,
		`541431,23166,"J" AR,1,2011-01-18 10:01:00,1.04,12346.0,United Kingdom`:      Malformed,
		"541431,23166,JAR,9223372036854775808,2011-01-18 10:01,1.04,,United Kingdom": Malformed,
		"": Malformed,
	} {
		l, why := parse(7, text, at)
		require.Equal(t, want, why, text)
		require.Equal(t, 7, l.number)
		require.Equal(t, text, l.text, "a report shows the line as it is")
	}
}

func TestFieldsAreCleanedOfWhatSpreadsheetsDoToThem(t *testing.T) {
	at, err := readHeader(strings.TrimSpace(header))
	require.NoError(t, err)
	l, why := parse(2, `536365, 85123A ,"CAFÉ ""BON"", SET",6,2010-12-01 08:26:00,2.55,17850.0,EIRE`, at)
	require.Empty(t, why)
	require.Equal(t, "85123A", l.code)
	require.Equal(t, `CAFÉ "BON", SET`, l.name)
	require.Equal(t, "17850", l.customer)
	require.EqualValues(t, 255, l.pence)
	require.EqualValues(t, 6, l.quantity)

	l, why = parse(2, "536365,85123A,CAF\xc9,6,2010-12-01,2.55,,EIRE", at)
	require.Empty(t, why)
	require.Equal(t, "CAFÉ", l.name, "Latin-1")
}

func TestColumnsMayStandInAnyOrderAndHaveTheNamesOfEitherEdition(t *testing.T) {
	p, err := Read(written(t, "\ufeffCountry,Price,Customer ID,Invoice,StockCode,Description,Quantity,InvoiceDate\r\nFrance,1.50,7,1,12345,X,2,2010\r\n"))
	require.NoError(t, err)
	require.Len(t, p.Orders, 1)
	require.EqualValues(t, 300, p.Orders[0].Pence)
	require.Equal(t, "France", p.Orders[0].Country)
}

func TestAFileThatIsSomethingElseIsRefused(t *testing.T) {
	for content, says := range map[string]string{"": "empty", "a,b,c\n1,2,3\n": "no column InvoiceNo", "\x1f\x8bnot gzip": "gzip", header + strings.Repeat("x", 2<<20): "too long"} {
		_, err := Read(written(t, content))
		require.ErrorContains(t, err, says)
	}
	_, err := Read(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestCompressedContentIsTheSameContent(t *testing.T) {
	content := header + "1,12345,X,2,2010,1.50,7,France\n"
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, err := w.Write([]byte(content))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	plain, err := Read(written(t, content))
	require.NoError(t, err)
	compressed, err := Read(written(t, z.String()))
	require.NoError(t, err)
	require.Equal(t, plain, compressed)
	require.Len(t, plain.Hash, 64)
}
