"""An embedded cluster for the demo and the tests: API server, workloads, Envoy, Prometheus, traffic."""
