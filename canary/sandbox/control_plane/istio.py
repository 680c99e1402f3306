"""Istio's own CustomResourceDefinitions, from the Go module that Istio publishes them in."""

from pathlib import Path
from typing import Any, Final

import yaml

from canary.sandbox.go import ControlPlaneMissing, Say, cache_directory, find_go

__all__ = ["ISTIO_VERSION", "istio_crds"]

ISTIO_VERSION: Final = "v1.31.4"
MODULE: Final = f"istio.io/api@{ISTIO_VERSION}"
SUM: Final = "h1:AcnncYrlDj1PJkym7h88Gggkef4MAra8QpGaXRMsr+E="
"""The hash of the module as go.sum would have it: whoever changes the version changes it, too."""
_FILE = "kubernetes/customresourcedefinitions.gen.yaml"


def istio_crds(say: Say) -> tuple[dict[str, Any], ...]:
    """All definitions; the file is kept in the cache. Raises ControlPlaneMissing."""
    kept = cache_directory() / "istio-crds" / f"{ISTIO_VERSION}.yaml"
    if not kept.is_file():
        say(f"fetching Istio's definitions: {MODULE}")
        _fetch(kept)
    return tuple(item for item in yaml.load_all(kept.read_text(encoding="utf-8"), _LOADER) if item)


# A megabyte of YAML takes the pure loader 6 s.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _fetch(kept: Path) -> None:
    found = find_go("reading Istio's definitions").download(MODULE)
    if found.get("Sum") != SUM:
        raise ControlPlaneMissing(f"{MODULE} has the hash {found.get('Sum')}; it should have {SUM}")
    kept.parent.mkdir(parents=True, exist_ok=True)
    temporary = kept.with_suffix(".new")
    temporary.write_bytes((Path(found["Dir"]) / _FILE).read_bytes())
    temporary.replace(kept)
