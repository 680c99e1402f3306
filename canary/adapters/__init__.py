"""The ports made real: Kubernetes, Istio and Prometheus. No adapter knows another, but for the transport."""
