"""Prometheus: queries as pure text, and a client that tells every way of not answering apart."""
