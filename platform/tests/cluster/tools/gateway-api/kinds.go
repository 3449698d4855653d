// Package kinds pins the module that has the kinds of the Gateway API; nothing is built of it.
package kinds

import _ "sigs.k8s.io/gateway-api/pkg/consts"
