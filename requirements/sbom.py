"""Write the image's software bill of materials, as CycloneDX: ``python -m requirements.sbom FILE``.

It lists what the build stage installs from core.lock: each package once, with the hashes that the lock
accepts, the licence that its own metadata declares, and what it needs. Canary itself is what is described.
Python and the C library are not in it: they come with the base image, which whoever builds chooses.

The same tree gives the same bytes: there is neither a time nor a serial number in it. It is checked against
CycloneDX's schema before it is written.
"""

import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Final

from cyclonedx.contrib.hash.factories import HashTypeFactory
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.contrib.this.builders import this_component
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License, LicenseAcknowledgement
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from canary import __version__
from requirements.locks import CORE, IMAGE, Locked, read

__all__ = ["bill", "needs"]

_PROJECT: Final = Path(__file__).parents[1] / "pyproject.toml"


def needs(locked: Mapping[str, Locked]) -> dict[str, frozenset[str]]:
    """Return what each package needs in the image, from "canary" on; what nothing needs is no key."""
    with _PROJECT.open("rb") as file:
        direct = tomllib.load(file)["project"]["dependencies"]
    found: dict[str, set[str]] = {}
    # A package with an extra is looked at apart from the same package without.
    waiting, seen = [("canary", "")], {("canary", "")}
    while waiting:
        name, extra = waiting.pop()
        mine = found.setdefault(name, set())
        for text in direct if name == "canary" else _metadata(locked[name]).get_all("Requires-Dist") or ():
            wanted = Requirement(text)
            if wanted.marker is None or wanted.marker.evaluate({**IMAGE, "extra": extra}):
                needed = canonicalize_name(wanted.name)
                mine.add(needed)
                further = {(needed, one) for one in ("", *wanted.extras)} - seen
                seen |= further
                waiting += sorted(further)
    return {name: frozenset(names) for name, names in found.items()}


def bill(lock: Path) -> str:
    """Return the whole document. Raises RuntimeError when the installed packages are not the locked ones."""
    locked = {one.name: one for one in read(lock) if one.is_installed_on(IMAGE)}
    parts = {name: _component(one) for name, one in locked.items()}
    canary = Component(
        name="canary",
        version=__version__,
        type=ComponentType.APPLICATION,
        # Not of type pypi: what is published there under this name is not ours.
        purl=PackageURL("generic", name="canary", version=__version__),
        bom_ref="canary",
        licenses=[LicenseFactory().make_from_string("Apache-2.0")],
    )
    document = Bom(components=parts.values())
    document.metadata.component = canary
    document.metadata.tools.components.add(this_component())
    for name, needed in needs(locked).items():
        document.register_dependency(parts.get(name, canary), [parts[one] for one in needed])
    document.serial_number = document.metadata.timestamp = None  # type: ignore[assignment]
    text = JsonV1Dot6(document).output_as_string(indent=2) + "\n"
    if wrong := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise RuntimeError(f"the bill of materials does not follow CycloneDX 1.6: {wrong}")
    return text


def _component(locked: Locked) -> Component:
    url = PackageURL("pypi", name=locked.name, version=locked.version)
    return Component(
        name=locked.name,
        version=locked.version,
        purl=url,
        bom_ref=str(url),
        hashes=[HashTypeFactory().from_composite_str(one) for one in locked.hashes],
        licenses=_licenses(_metadata(locked)),
    )


def _metadata(locked: Locked) -> metadata.PackageMetadata:
    """What the package says of itself: as installed beside this program, from dev.lock, which has it too."""
    try:
        found = metadata.distribution(locked.name)
    except metadata.PackageNotFoundError:
        raise RuntimeError(f"{locked.name} {locked.version} is not installed: run `make sbom`") from None
    if found.version != locked.version:
        raise RuntimeError(
            f"{locked.name} {found.version} is installed, core.lock has {locked.version}: "
            "run `make sbom`, and `make lock` if that does not help"
        )
    return found.metadata


def _licenses(package: metadata.PackageMetadata) -> Iterator[License]:
    """The licence that a package declares, in the newest of the three ways in which it may."""
    declared: list[str] = [
        *(package.get_all("License-Expression") or ()),
        *(package.get_all("License") or ()),
    ]
    classifiers = [one for one in package.get_all("Classifier") or () if one.startswith("License :: ")]
    declared += [one.rpartition(" :: ")[2] for one in classifiers if one != "License :: OSI Approved"]
    # Several lines are the licence's whole text, and name nothing.
    if text := next((one for one in declared if one and "\n" not in one), None):
        yield LicenseFactory().make_from_string(text, license_acknowledgement=LicenseAcknowledgement.DECLARED)


def main(arguments: list[str]) -> int:
    """Write the document to the one file that is named."""
    if len(arguments) != 1:
        print("usage: python -m requirements.sbom FILE", file=sys.stderr)
        return 2
    try:
        text = bill(CORE)
    except RuntimeError as wrong:
        print(f"sbom: {wrong}", file=sys.stderr)
        return 1
    target = Path(arguments[0])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    print(f"{target}: canary {__version__} and the packages of its image, as CycloneDX 1.6")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
