package main

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/argoproj/argo-cd/v3/assets"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/argoproj/argo-cd/v3/util/rbac"
)

type healthQuestion struct {
	Script string         `json:"script"`
	Object map[string]any `json:"object"`
}

type healthAnswer struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// health runs each script as Argo CD does: in its Lua, without the libraries that it withholds.
func health(questions []healthQuestion) ([]healthAnswer, error) {
	said := []healthAnswer{}
	for _, one := range questions {
		status, err := lua.VM{}.ExecuteHealthLua(&unstructured.Unstructured{Object: one.Object}, one.Script)
		if err != nil {
			return nil, fmt.Errorf("the script: %w", err)
		}
		said = append(said, healthAnswer{string(status.Status), status.Message})
	}
	return said, nil
}

type accessQuestion struct {
	Policy  string `json:"policy"`
	Default string `json:"default"`
	// Subject, resource, action, object.
	Asked [][4]string `json:"asked"`
}

func access(question accessQuestion) ([]bool, error) {
	if err := rbac.ValidatePolicy(question.Policy); err != nil {
		return nil, fmt.Errorf("the policy: %w", err)
	}
	enforcer := rbac.NewEnforcer(nil, "argocd", "argocd-rbac-cm", nil)
	builtin, err := assets.Embedded.ReadFile("builtin-policy.csv")
	if err != nil {
		return nil, err
	}
	if err := enforcer.SetBuiltinPolicy(string(builtin)); err != nil {
		return nil, err
	}
	if err := enforcer.SetUserPolicy(question.Policy); err != nil {
		return nil, fmt.Errorf("the policy: %w", err)
	}
	enforcer.SetDefaultRole(question.Default)
	said := []bool{}
	for _, one := range question.Asked {
		said = append(said, enforcer.Enforce(one[0], one[1], one[2], one[3]))
	}
	return said, nil
}

// lenient reads what it knows of a file.
func lenient(text []byte, into any) error { return yaml.Unmarshal(text, into) }
