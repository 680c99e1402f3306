"""The loop, over ports: observe, decide, save, act. Knows no Kubernetes, Istio or Prometheus."""
