"""CustomResourceDefinitions of others, from the Go modules that they publish them in."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from canary.sandbox.go import ControlPlaneMissing, Say, cache_directory, find_go

__all__ = ["ISTIO", "Published", "published_crds"]


@dataclass(frozen=True, slots=True)
class Published:
    """Files of definitions in one version of a module."""

    name: str
    module: str
    """Path@version."""
    sum: str
    """The hash of the module as go.sum would have it: whoever changes the version changes it, too."""
    files: tuple[str, ...]


ISTIO: Final = Published(
    "Istio",
    "istio.io/api@v1.31.4",
    "h1:AcnncYrlDj1PJkym7h88Gggkef4MAra8QpGaXRMsr+E=",
    ("kubernetes/customresourcedefinitions.gen.yaml",),
)


def published_crds(published: Published, say: Say) -> tuple[dict[str, Any], ...]:
    """All definitions; they are kept in the cache. Raises ControlPlaneMissing."""
    kept = cache_directory() / "definitions" / f"{published.module.replace('/', '_')}.yaml"
    if not kept.is_file():
        say(f"fetching {published.name}'s definitions: {published.module}")
        _fetch(published, kept)
    return tuple(item for item in yaml.load_all(kept.read_text(encoding="utf-8"), _LOADER) if item)


# A megabyte of YAML takes the pure loader 6 s.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _fetch(published: Published, kept: Path) -> None:
    found = find_go(f"reading {published.name}'s definitions").download(published.module)
    if found.get("Sum") != published.sum:
        raise ControlPlaneMissing(
            f"{published.module} has the hash {found.get('Sum')}; it should have {published.sum}"
        )
    texts = [(Path(found["Dir"]) / file).read_text(encoding="utf-8") for file in published.files]
    kept.parent.mkdir(parents=True, exist_ok=True)
    temporary = kept.with_suffix(".new")
    temporary.write_text("\n---\n".join(texts), encoding="utf-8")
    temporary.replace(kept)
