"""What the chart's autoscaling does with a load: the rules of Kubernetes and KEDA, fed with recorded figures."""
