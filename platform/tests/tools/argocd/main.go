// Says what Argo CD makes of the platform's files, by Argo CD's own code and without a cluster.
//
// A question is JSON on standard input, its answer JSON on standard output:
//
//	argocd-says applications REPOSITORY    the Applications of every ApplicationSet, and what their projects refuse
//	argocd-says kinds REPOSITORY           whether a project lets a kind be synced
//	argocd-says health                     what the health scripts say of objects
//	argocd-says rbac                       whether a policy lets a subject do something
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	log "github.com/sirupsen/logrus"
)

func main() {
	// Argo CD logs every step; what matters comes back as an error.
	log.SetOutput(io.Discard)
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	command, rest := "", []string{}
	if len(arguments) > 0 {
		command, rest = arguments[0], arguments[1:]
	}
	switch {
	case command == "applications" && len(rest) == 1:
		return answer(applications(rest[0]))
	case command == "kinds" && len(rest) == 1:
		return asked(func(questions []kindQuestion) ([]bool, error) { return kinds(rest[0], questions) })
	case command == "health" && len(rest) == 0:
		return asked(health)
	case command == "rbac" && len(rest) == 0:
		return asked(access)
	}
	return fmt.Errorf("expected applications REPOSITORY, kinds REPOSITORY, health or rbac; got %q", arguments)
}

// asked reads a question and prints its answer.
func asked[Question, Answer any](decide func(Question) (Answer, error)) error {
	var question Question
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&question); err != nil {
		return fmt.Errorf("the question: %w", err)
	}
	return answer(decide(question))
}

func answer[Answer any](said Answer, err error) error {
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(said)
}
