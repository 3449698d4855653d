// Command coredns is CoreDNS with the plugins that a cluster's names need: a quarter of the whole one's dependencies.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/template"
)

func main() {
	// In the order in which a question passes them, which is that of the whole CoreDNS.
	dnsserver.Directives = []string{"bind", "errors", "cache", "template", "kubernetes", "forward"}
	coremain.Run()
}
