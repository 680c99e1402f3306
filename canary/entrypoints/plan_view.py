"""A plan in words: what was asked of a release, wherever it was written. Pure."""

from canary.domain.duration import format_duration
from canary.domain.plan import EvidenceRule, OnNoData, Plan
from canary.domain.sentences import percent

__all__ = ["plan_in_words"]


def plan_in_words(plan: Plan) -> tuple[str, ...]:
    """Say what a plan asks for, but for its objectives, which are shown with what was counted."""
    steps = ", ".join(f"{step.weight} % for {format_duration(step.bake_seconds)}" for step in plan.steps)
    end = "it is rolled back" if plan.on_no_data is OnNoData.ROLLBACK else "it stays held"
    lines = [
        f"steps {steps}",
        f"at most {plan.tolerance:g}x as bad as stable, on at least {plan.min_requests} requests a step",
        f"false rollbacks in at most {percent(plan.false_rollback_budget)} of releases"
        + ("; of those by the threshold rule nothing is promised" if plan.thresholds else ""),
        f"deadline {format_duration(plan.deadline_seconds)}; if evidence is lacking then, {end}",
    ]
    if plan.evidence is EvidenceRule.BUDGET:
        lines.append(
            f"each step shows that the next costs less than {percent(plan.blast_radius_budget)} of all "
            f"requests, wrong in at most {percent(plan.false_promotion_budget)} of steps"
        )
    if plan.gates:
        lines.append(f"a person approves: {', '.join(sorted(gate.value for gate in plan.gates))}")
    if plan.dry_run:
        lines.append(f"on a dry run, deciding nothing: {', '.join(sorted(plan.dry_run))}")
    if plan.virtual_services:
        lines.append(f"routes of {', '.join(map(str, plan.virtual_services))} only")
    if plan.policy is not None:
        lines.append(f"policy {plan.policy} behind the annotations, as both were when the release began")
    return tuple(lines)
