package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"

	"github.com/bmatcuk/doublestar/v4"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
)

const (
	url      = "https://git.example.org/chat/platform.git"
	revision = "main"
)

// repository is a working tree in the place of the platform's repository: what Argo CD would clone.
type repository struct{ root fs.FS }

func opened(folder string) repository { return repository{os.DirFS(folder)} }

// GetFiles finds files by the globbing that platform/bootstrap switches on: `*` stays within one folder.
func (r repository) GetFiles(_ context.Context, from, at, _, pattern string, _, _ bool) (map[string][]byte, error) {
	if from != url || at != revision {
		return nil, fmt.Errorf("there is no repository %s at %s: the platform's is %s at %s", from, at, url, revision)
	}
	names, err := doublestar.Glob(r.root, pattern, doublestar.WithFilesOnly())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pattern, err)
	}
	found := map[string][]byte{}
	for _, name := range names {
		if found[name], err = fs.ReadFile(r.root, name); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// GetDirectories is not there: generators of the platform go by files.
func (r repository) GetDirectories(context.Context, string, string, string, bool, bool) ([]string, error) {
	return nil, fmt.Errorf("this platform generates nothing from folders")
}

// decoded reads the objects of the files of a folder, one a file.
func decoded[Kind any](r repository, folder string) ([]Kind, error) {
	names, err := fs.Glob(r.root, path.Join(folder, "*.yaml"))
	if err != nil {
		return nil, err
	}
	var all []Kind
	for _, name := range names {
		text, err := fs.ReadFile(r.root, name)
		if err != nil {
			return nil, err
		}
		var one Kind
		if err := yaml.UnmarshalStrict(text, &one); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, one)
	}
	return all, nil
}

func (r repository) projects() (map[string]v1alpha1.AppProject, error) {
	all, err := decoded[v1alpha1.AppProject](r, "platform/argocd/projects")
	byName := map[string]v1alpha1.AppProject{}
	for _, one := range all {
		if err := one.ValidateProject(); err != nil {
			return nil, fmt.Errorf("AppProject %s: %w", one.Name, err)
		}
		byName[one.Name] = one
	}
	return byName, err
}

// cluster stands for the API server: Argo CD asks it for projects, and for nothing else.
type cluster struct {
	client.Client
	projects map[string]v1alpha1.AppProject
}

func (c cluster) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	project, known := c.projects[key.Name]
	if to, fits := into.(*v1alpha1.AppProject); fits && known {
		project.DeepCopyInto(to)
		return nil
	}
	return errors.NewNotFound(schema.GroupResource{Group: "argoproj.io", Resource: "appprojects"}, key.Name)
}
