"""Proof of the chart on a real Kubernetes: what it installs, and what people notice of what is done to it."""
