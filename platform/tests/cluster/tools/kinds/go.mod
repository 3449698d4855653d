// Whose descriptions of kinds the cluster's tests install. Nothing is built of them, and nothing of what they require is fetched.
module platform/tests/cluster/tools/kinds

go 1.26.0

require (
	github.com/Azure/karpenter-provider-azure v1.14.2
	github.com/argoproj/argo-cd/v3 v3.4.4
	github.com/argoproj/argo-rollouts v1.9.0
	github.com/aws/karpenter-provider-aws v1.14.1
	github.com/cert-manager/cert-manager v1.21.1
	github.com/cilium/cilium v1.20.0
	github.com/external-secrets/external-secrets v1.3.2
	github.com/kedacore/keda/v2 v2.20.2
	github.com/open-policy-agent/gatekeeper/v3 v3.23.0
	github.com/prometheus-operator/prometheus-operator v0.93.1
	github.com/sigstore/policy-controller v0.13.1
	github.com/vmware-tanzu/velero v1.18.1
	istio.io/api v1.30.3
	sigs.k8s.io/gateway-api v1.6.1
)
