package main

import (
	"context"
	"fmt"
	"slices"

	log "github.com/sirupsen/logrus"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/argoproj/argo-cd/v3/applicationset/controllers/template"
	"github.com/argoproj/argo-cd/v3/applicationset/generators"
	"github.com/argoproj/argo-cd/v3/applicationset/utils"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
)

// generated is an Application, the set that it comes of, and what its project refuses of it.
type generated struct {
	Set         string               `json:"set"`
	Application v1alpha1.Application `json:"application"`
	Refused     []string             `json:"refused"`
}

func applications(folder string) ([]generated, error) {
	from := opened(folder)
	projects, err := from.projects()
	if err != nil {
		return nil, err
	}
	sets, err := decoded[v1alpha1.ApplicationSet](from, "platform/argocd/applicationsets")
	if err != nil {
		return nil, err
	}
	clusters, err := registered(from)
	if err != nil {
		return nil, err
	}
	all := []generated{}
	for _, set := range sets {
		made, err := generate(from, set, projects)
		if err != nil {
			return nil, fmt.Errorf("ApplicationSet %s: %w", set.Name, err)
		}
		for _, one := range made {
			all = append(all, generated{set.Name, one, refused(one, projects, clusters)})
		}
	}
	return all, nil
}

// generate does what the ApplicationSet controller does, with the two kinds of generators that the platform has.
func generate(
	from repository, set v1alpha1.ApplicationSet, projects map[string]v1alpha1.AppProject,
) ([]v1alpha1.Application, error) {
	single := map[string]generators.Generator{
		"Git":  generators.NewGitGenerator(from, set.Namespace),
		"List": generators.NewListGenerator(),
	}
	all := map[string]generators.Generator{
		"Git": single["Git"], "List": single["List"], "Matrix": generators.NewMatrixGenerator(single),
	}
	made, _, err := template.GenerateApplications(
		log.NewEntry(log.StandardLogger()), set, all, &utils.Render{}, cluster{projects: projects},
	)
	return made, err
}

// registered reads the names of the clusters, which destinations go by.
func registered(from repository) (map[string]bool, error) {
	type file struct {
		Cluster struct{ Name string }
	}
	names, err := from.GetFiles(context.Background(), url, revision, "", "platform/argocd/clusters/*.yaml", false, false)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for name, text := range names {
		var one file
		if err := yaml.Unmarshal(text, &one); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		known[one.Cluster.Name] = true
	}
	return known, nil
}

func refused(
	one v1alpha1.Application, projects map[string]v1alpha1.AppProject, clusters map[string]bool,
) []string {
	problems := []string{}
	project, known := projects[one.Spec.Project]
	if !known {
		return append(problems, "there is no project "+one.Spec.Project)
	}
	for _, source := range one.Spec.GetSources() {
		if !project.IsSourcePermitted(source) {
			problems = append(problems, fmt.Sprintf("project %s takes nothing from %s", project.Name, source.RepoURL))
		}
	}
	to := one.Spec.Destination
	if !clusters[to.Name] {
		problems = append(problems, fmt.Sprintf("there is no cluster %q", to.Name))
	}
	permitted, err := project.IsDestinationPermitted(&v1alpha1.Cluster{Name: to.Name}, to.Namespace, nil)
	if err != nil || !permitted {
		problems = append(problems, fmt.Sprintf("project %s leads not to %s of %s", project.Name, to.Namespace, to.Name))
	}
	return problems
}

type kindQuestion struct {
	Project    string `json:"project"`
	Group      string `json:"group"`
	Kind       string `json:"kind"`
	Namespaced bool   `json:"namespaced"`
}

func kinds(folder string, questions []kindQuestion) ([]bool, error) {
	projects, err := opened(folder).projects()
	if err != nil {
		return nil, err
	}
	said := slices.Repeat([]bool{false}, len(questions))
	for number, one := range questions {
		project, known := projects[one.Project]
		if !known {
			return nil, fmt.Errorf("there is no project %q", one.Project)
		}
		said[number] = project.IsGroupKindPermitted(schema.GroupKind{Group: one.Group, Kind: one.Kind}, one.Namespaced)
	}
	return said, nil
}
