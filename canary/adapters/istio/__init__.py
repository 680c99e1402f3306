"""Istio: the weights of VirtualServices, and the subsets of DestinationRules."""
