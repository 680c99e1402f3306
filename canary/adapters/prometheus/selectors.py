"""Selectors: which series a set of releases needs, one selector for each metric. Pure.

A metric template's counters are selected by metric and by the namespaces of the releases that use it. What
their ``where`` says narrows a selector only as far as it is true of all that the selector is for: a label is
a matcher when every counter of the metric has it in its ``where``, with the values of all of them. So total
and bad come with one query when they are series of one metric, and nothing that either counts is missed.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from canary.adapters.prometheus import promql
from canary.app.ports import MetricTarget
from canary.domain.istio_metrics import BUCKETS, DESTINATION, REQUESTS, SOURCE
from canary.domain.metric_template import Counter, MetricTemplate

__all__ = ["of_hosts", "selectors"]

_USUAL_LABEL: Final = "namespace"


def selectors(targets: Sequence[MetricTarget]) -> Mapping[str, str]:
    """By metric: what selects the series of all ``targets``.

    Raises ``promql.InvalidName`` when a name cannot be put into a query.
    """
    # Both counts of requests: what does not judge is shown beside, and pods' own tell how bad requests come.
    found = {REQUESTS: promql.selector(REQUESTS, of_hosts(targets, {SOURCE, DESTINATION}))}
    with_latency = [each for each in targets if any(o.bound_ms is not None for o in each.objectives)]
    bounds = {o.bound_ms for each in with_latency for o in each.objectives if o.bound_ms is not None}
    if bounds:
        edges = {text for bound in bounds for text in promql.edge_texts(bound)} | {"+Inf"}
        matchers = (
            *of_hosts(with_latency, {each.reporter for each in with_latency} | {DESTINATION}),
            promql.matcher("le", edges),
        )
        found[BUCKETS] = promql.selector(BUCKETS, matchers)
    return found | _of_templates(targets)


def of_hosts(targets: Iterable[MetricTarget], reporters: Collection[str]) -> tuple[str, ...]:
    """The matchers of Istio's series of the targets' hosts. Raises ``promql.InvalidName``."""
    hosts = {promql.dns_name(host) for each in targets for host in each.hosts}
    return promql.matcher("reporter", reporters), promql.matcher("destination_service", hosts)


def _of_templates(targets: Iterable[MetricTarget]) -> dict[str, str]:
    counters: dict[tuple[str, str], list[Counter]] = {}
    namespaces: dict[tuple[str, str], set[str]] = {}
    for target in targets:
        for template in _templates(target):
            for counter in (template.total, template.bad):
                asked = counter.metric, template.namespace_label
                counters.setdefault(asked, []).append(counter)
                namespaces.setdefault(asked, set()).add(promql.dns_name(target.key.namespace))
    return {
        # Two templates that find the namespace in different labels need a query each.
        metric if label == _USUAL_LABEL else f"{metric} by {label}": promql.selector(
            metric, (promql.matcher(label, namespaces[metric, label]), *_common(asked))
        )
        for (metric, label), asked in counters.items()
    }


def _templates(target: MetricTarget) -> Iterable[MetricTemplate]:
    return (each.template for each in target.objectives if each.template is not None)


def _common(counters: Sequence[Counter]) -> Iterable[str]:
    """The matchers that are true of every series that any of the counters counts."""
    labels = set.intersection(*(set(counter.where) for counter in counters))
    return [
        promql.matcher(label, {value for counter in counters for value in counter.where[label]})
        for label in sorted(labels)
    ]
