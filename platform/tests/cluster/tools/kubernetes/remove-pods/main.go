// Command remove-pods removes every pod that a container runtime has: remove-pods unix:///path/of.sock
//
// It asks the runtime itself, as the kubelet does: only so are each pod's network, its rules in iptables and its
// mounts taken down too, and no API server needs to be alive.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	cri "k8s.io/cri-api/pkg/apis"
	client "k8s.io/cri-client/pkg"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: remove-pods unix:///path/of.sock")
		os.Exit(2)
	}
	if err := removeAll(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func removeAll(ctx context.Context, socket string) error {
	runtime, err := client.NewRemoteRuntimeService(socket, time.Minute, nil, nil)
	if err != nil {
		return err
	}
	pods, err := runtime.ListPodSandbox(ctx, nil)
	if err != nil {
		return err
	}
	results := make(chan error)
	for _, pod := range pods {
		go func() { results <- remove(ctx, runtime, pod.Id) }()
	}
	for range pods {
		err = errors.Join(err, <-results)
	}
	return err
}

func remove(ctx context.Context, runtime cri.RuntimeService, id string) error {
	// To stop a pod ends its containers by force.
	if err := runtime.StopPodSandbox(ctx, id); err != nil {
		return err
	}
	return runtime.RemovePodSandbox(ctx, id)
}
