package main

import (
	"fmt"
	"regexp"
	"strings"
)

// A place for a table begins and ends with a comment; what is between them is replaced:
//
//	<!-- simulate:hot -->
//	…
//	<!-- /simulate -->
var places = regexp.MustCompile(`(?s)<!-- simulate:([a-z]+) -->\n.*?<!-- /simulate -->`)

// fill puts the tables into their places. Errors: a table without a place, a place whose table nobody made.
func fill(document string, tables map[string]string) (string, error) {
	filled := map[string]bool{}
	var strangers []string
	text := places.ReplaceAllStringFunc(document, func(found string) string {
		name := places.FindStringSubmatch(found)[1]
		table, made := tables[name]
		if !made {
			strangers = append(strangers, name)
			return found
		}
		filled[name] = true
		return "<!-- simulate:" + name + " -->\n\n" + strings.TrimRight(table, "\n") + "\n\n<!-- /simulate -->"
	})
	if len(strangers) > 0 {
		return "", fmt.Errorf("the document has places for tables that there are not: %s", strings.Join(strangers, ", "))
	}
	for name := range tables {
		if !filled[name] {
			return "", fmt.Errorf("the document has no place <!-- simulate:%s --> … <!-- /simulate -->", name)
		}
	}
	return text, nil
}
