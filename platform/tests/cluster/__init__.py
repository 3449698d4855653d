"""The platform's tests on a real Kubernetes."""
