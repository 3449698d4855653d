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
	// What resource.customizations of the settings says.
	Customizations string           `json:"customizations"`
	Objects        []map[string]any `json:"objects"`
}

type healthAnswer struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// health finds the script for each object and runs it as Argo CD does: in its Lua, without what that withholds.
func health(question healthQuestion) ([]healthAnswer, error) {
	overrides := lua.ResourceHealthOverrides{}
	if err := yaml.UnmarshalStrict([]byte(question.Customizations), &overrides); err != nil {
		return nil, fmt.Errorf("resource.customizations: %w", err)
	}
	said := []healthAnswer{}
	for _, one := range question.Objects {
		status, err := overrides.GetResourceHealth(&unstructured.Unstructured{Object: one})
		if err != nil {
			return nil, fmt.Errorf("the script: %w", err)
		}
		if status == nil {
			return nil, fmt.Errorf("there is no script for %v of %v", one["kind"], one["apiVersion"])
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
