"""A stage whose controller has metric templates of an administrator, and whose service names a policy."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.stage import NAMESPACE, Stage, create, stage

__all__ = ["stage_of_templates"]


@contextmanager
def stage_of_templates(
    directory: Path, settings: str, objectives: Mapping[str, Mapping[str, object]]
) -> Iterator[Stage]:
    """A stage with a ReleasePolicy of one objective by each name; the service names the first."""
    file = directory / "controller.yaml"
    file.write_text(settings)
    with stage(steps="10@5s,50@2s,100@2s") as made:
        made.settings = file
        for name, objective in objectives.items():
            create(
                made.transport,
                {
                    "apiVersion": "canaryctl.dev/v1alpha1",
                    "kind": "ReleasePolicy",
                    "metadata": {"namespace": NAMESPACE, "name": name},
                    "spec": {"objectives": [objective]},
                },
            )
        made.annotate(policy=next(iter(objectives)))
        made.start_controller()
        yield made
