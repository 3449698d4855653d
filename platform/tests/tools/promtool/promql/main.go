// Reads PromQL expressions, one JSON string a line, and says of each what Prometheus's own parser sees in it:
// the series it asks for with the labels it matches and groups by, or the error.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sort"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
)

type answer struct {
	Error  string              `json:"error,omitempty"`
	Series map[string][]string `json:"series"`
	Groups []string            `json:"groups"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var text string
		if err := json.Unmarshal(lines.Bytes(), &text); err != nil {
			fmt.Fprintln(os.Stderr, "no JSON string:", err)
			os.Exit(2)
		}
		if err := out.Encode(look(text)); err != nil {
			os.Exit(2)
		}
	}
}

func look(text string) answer {
	seen := answer{Series: map[string][]string{}, Groups: []string{}}
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		seen.Error = err.Error()
		return seen
	}
	groups := map[string]bool{}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		switch one := node.(type) {
		case *parser.VectorSelector:
			labels := seen.Series[one.Name]
			for _, matcher := range one.LabelMatchers {
				if matcher.Name != model.MetricNameLabel {
					labels = append(labels, matcher.Name)
				}
			}
			sort.Strings(labels)
			seen.Series[one.Name] = append([]string{}, labels...)
		case *parser.AggregateExpr:
			for _, name := range one.Grouping {
				groups[name] = true
			}
		case *parser.BinaryExpr:
			if one.VectorMatching != nil {
				for _, name := range one.VectorMatching.MatchingLabels {
					groups[name] = true
				}
			}
		}
		return nil
	})
	for name := range groups {
		seen.Groups = append(seen.Groups, name)
	}
	sort.Strings(seen.Groups)
	return seen
}
