// Command mongosh stands in for MongoDB's shell: it runs scripts that connect, run commands and print.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/dop251/goja"
)

func main() {
	flags := flag.NewFlagSet("mongosh", flag.ExitOnError)
	file := flags.String("file", "", "script to run")
	eval := flags.String("eval", "", "expression to print")
	nodb := flags.Bool("nodb", false, "connect to nothing before the script does")
	for _, ignored := range []string{"quiet", "norc"} {
		flags.Bool(ignored, false, "as always here")
	}
	_ = flags.Parse(os.Args[1:])
	address := "mongodb://127.0.0.1:27017/test?directConnection=true"
	if flags.NArg() > 0 {
		address = flags.Arg(0)
	}
	if *nodb {
		address = ""
	}
	if err := run(*file, *eval, address); err != nil {
		fmt.Fprintf(os.Stderr, "mongosh: %v\n", err)
		os.Exit(1)
	}
}

// run connects to the address, where there is one, before the script or the expression.
func run(file, eval, address string) error {
	engine := goja.New()
	shell := shell{engine}
	for name, function := range map[string]any{
		"connect": shell.connect,
		"print":   func(values ...any) { fmt.Println(values...) },
		"sleep":   func(ms int64) { time.Sleep(time.Duration(ms) * time.Millisecond) },
		"cat": func(path string) (string, error) {
			content, err := os.ReadFile(path)
			return string(content), err
		},
	} {
		if err := engine.Set(name, function); err != nil {
			return err
		}
	}
	if address != "" {
		database, err := shell.connect(address)
		if err != nil {
			return err
		}
		if err := engine.Set("db", database); err != nil {
			return err
		}
	}
	if file != "" {
		script, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		_, err = engine.RunScript(file, string(script))
		return err
	}
	if eval == "" {
		return errors.New("expected --file or --eval: this stand-in is not interactive")
	}
	value, err := engine.RunString(eval)
	if err == nil {
		fmt.Println(value)
	}
	return err
}
