"""Kubernetes: transport, list+watch, and the objects that the loop reads and writes."""
