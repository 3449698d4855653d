// Reads a configuration of Alloy and says what Alloy's own parser sees in it: every component with what it refers to,
// or the error.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/grafana/alloy/syntax/ast"
	"github.com/grafana/alloy/syntax/parser"
)

type component struct {
	Name   string   `json:"name"`
	Fields []string `json:"fields"`
	Refers []string `json:"refers"`
}

func main() {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	file, err := parser.ParseFile("config.alloy", text)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	found := []component{}
	for _, statement := range file.Body {
		block, ok := statement.(*ast.BlockStmt)
		if !ok {
			continue
		}
		one := component{Name: strings.Join(append(block.Name[:len(block.Name):len(block.Name)], block.Label), ".")}
		one.Fields = append([]string{}, fields(block.Body, "")...)
		one.Refers = []string{}
		ast.Walk(references{&one}, block)
		found = append(found, one)
	}
	if json.NewEncoder(os.Stdout).Encode(found) != nil {
		os.Exit(2)
	}
}

// fields are the paths of all that is set in a body: blocks by their names, attributes in them.
func fields(body ast.Body, at string) []string {
	var paths []string
	for _, statement := range body {
		switch one := statement.(type) {
		case *ast.AttributeStmt:
			paths = append(paths, at+one.Name.Name)
		case *ast.BlockStmt:
			path := at + strings.Join(one.Name, ".")
			paths = append(append(paths, path), fields(one.Body, path+"/")...)
		}
	}
	return paths
}

// references notes every chain of names that ends in what a component exports or a function is called.
type references struct{ of *component }

func (r references) Visit(node ast.Node) ast.Visitor {
	switch one := node.(type) {
	case *ast.AccessExpr, *ast.IdentifierExpr:
		r.of.Refers = append(r.of.Refers, chain(one.(ast.Expr)))
		return nil
	}
	return r
}

func chain(expr ast.Expr) string {
	switch one := expr.(type) {
	case *ast.IdentifierExpr:
		return one.Ident.Name
	case *ast.AccessExpr:
		return chain(one.Value) + "." + one.Name.Name
	}
	return "?"
}
