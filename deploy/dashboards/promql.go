package main

import (
	"regexp"
	"slices"
	"strings"
)

// names are those that an expression of PromQL uses.
type names struct {
	metrics []string
	matches []match
	groups  []string // labels that are grouped or joined by
}

// match is one condition on a label of a metric.
type match struct{ metric, label, operator, value string }

var (
	promTokens   = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'[^']*'|\[[^\]]*\]|\$\w+|[a-zA-Z_:][\w:]*|[0-9][\w.]*|=~|!~|!=|[^\s\w]`)
	promKeywords = []string{"and", "or", "unless", "offset", "bool", "inf", "nan"}
	promGroups   = []string{"by", "without", "on", "ignoring", "group_left", "group_right"}
	promName     = regexp.MustCompile(`^[a-zA-Z_:][\w:]*$`)
)

// namesIn reads the names in an expression. It takes the expression for valid: promtool says whether it is.
func namesIn(expression string) names {
	var n names
	tokens := promTokens.FindAllString(expression, -1)
	at := func(i int) string {
		if i < len(tokens) {
			return tokens[i]
		}
		return ""
	}
	metric := ""
	for i := 0; i < len(tokens); i++ {
		switch token := tokens[i]; {
		case slices.Contains(promGroups, token):
			if at(i+1) != "(" {
				continue
			}
			for i += 2; at(i) != ")" && at(i) != ""; i++ {
				if at(i) != "," {
					n.groups = append(n.groups, at(i))
				}
			}
		case token == "{":
			for i++; at(i) != "}" && at(i) != ""; i += 3 {
				if at(i) == "," {
					i++
				}
				n.matches = append(n.matches, match{metric, at(i), at(i + 1), strings.Trim(at(i+2), `"'`)})
			}
		case !promName.MatchString(token) || slices.Contains(promKeywords, strings.ToLower(token)) || at(i+1) == "(" || slices.Contains(promGroups, at(i+1)):
			// a number, a sign, a function or an aggregation
		default:
			metric = token
			n.metrics = append(n.metrics, metric)
		}
	}
	return n
}
