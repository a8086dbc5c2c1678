package onlineretail

// countries are those of the data set, by their names in it, with their codes of ISO 3166-1. Where the name is none of a country, the code is one that the
// standard leaves to users.
var countries = map[string]string{
	"Australia":            "AU",
	"Austria":              "AT",
	"Bahrain":              "BH",
	"Belgium":              "BE",
	"Bermuda":              "BM",
	"Brazil":               "BR",
	"Canada":               "CA",
	"Channel Islands":      "JE", // Jersey, the largest of them
	"Cyprus":               "CY",
	"Czech Republic":       "CZ",
	"Denmark":              "DK",
	"EIRE":                 "IE",
	"European Community":   "XX",
	"Finland":              "FI",
	"France":               "FR",
	"Germany":              "DE",
	"Greece":               "GR",
	"Hong Kong":            "HK",
	"Iceland":              "IS",
	"Israel":               "IL",
	"Italy":                "IT",
	"Japan":                "JP",
	"Korea":                "KR",
	"Lebanon":              "LB",
	"Lithuania":            "LT",
	"Malta":                "MT",
	"Netherlands":          "NL",
	"Nigeria":              "NG",
	"Norway":               "NO",
	"Poland":               "PL",
	"Portugal":             "PT",
	"RSA":                  "ZA",
	"Saudi Arabia":         "SA",
	"Singapore":            "SG",
	"Spain":                "ES",
	"Sweden":               "SE",
	"Switzerland":          "CH",
	"Thailand":             "TH",
	"USA":                  "US",
	"United Arab Emirates": "AE",
	"United Kingdom":       "GB",
	"Unspecified":          unknownCountry,
	"West Indies":          unknownCountry,
}

const unknownCountry = "ZZ"

func countryCode(name string) string {
	if code, known := countries[name]; known {
		return code
	}
	return unknownCountry
}
