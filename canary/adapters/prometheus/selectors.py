"""Selectors: which series a set of releases needs, one selector for each metric. Pure.

A metric template's series are selected by metric and by the namespaces of the releases that use it. What
their ``where`` says narrows a selector only as far as it is true of all that the selector is for: a label is
a matcher when all parts of templates that are of the metric have it in their ``where``, with the values of
all of them. So total and bad come with one query when they are series of one metric, and nothing that either
counts is missed; the same holds for a gauge and what it is divided by.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from canary.adapters.prometheus import promql
from canary.app.ports import MetricTarget
from canary.domain.edges import edges_beside
from canary.domain.istio_metrics import BUCKETS, DESTINATION, REQUESTS, SOURCE
from canary.domain.metric_template import Selection

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
        # Edges that a histogram lacks cost nothing: there are no series of them.
        wanted = bounds | {edge for bound in bounds for edge in edges_beside(bound)}
        edges = {text for edge in wanted for text in promql.edge_texts(edge)} | {"+Inf"}
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
    selections: dict[tuple[str, str], list[Selection]] = {}
    namespaces: dict[tuple[str, str], set[str]] = {}
    for target in targets:
        for template in target.templates:
            for selection in template.selections:
                asked = selection.metric, template.namespace_label
                selections.setdefault(asked, []).append(selection)
                namespaces.setdefault(asked, set()).add(promql.dns_name(target.key.namespace))
    return {
        # Two templates that find the namespace in different labels need a query each.
        metric if label == _USUAL_LABEL else f"{metric} by {label}": promql.selector(
            metric, (promql.matcher(label, namespaces[metric, label]), *_common(asked))
        )
        for (metric, label), asked in selections.items()
    }


def _common(selections: Sequence[Selection]) -> Iterable[str]:
    """The matchers that are true of every series that any of the selections means."""
    labels = set.intersection(*(set(each.where) for each in selections))
    return [
        promql.matcher(label, {value for each in selections for value in each.where[label]})
        for label in sorted(labels)
    ]
