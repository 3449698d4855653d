"""What an autoscaler needs of a cluster: KEDA, metrics-server and Prometheus, put there and taken away again."""
