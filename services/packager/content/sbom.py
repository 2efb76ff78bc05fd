"""sbom.cdx.json: what is in the service beside the agent's own files, for scanners.

CycloneDX 1.6, by its JSON schema. Written by hand, since a library would choose numbers and times of its own, and the
same test must give the same bytes.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from services.packager.content.facts import PackageFacts
from services.packager.content.names import service_name
from services.packager.content.requirements import installed, open_requirements
from services.packager.content.system import compiled, system_packages
from services.packager.content.text import json_file, moment

SBOM: Final = "sbom.cdx.json"
_AGENT: Final = "agent"


def sbom(facts: PackageFacts) -> bytes:
    """Every package with the version of the test. Raises ValueError."""
    components = [*_python_packages(facts), *_debian_packages(facts), _python(facts)]
    return json_file(
        {
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": {
                "timestamp": moment(facts.finished),
                "tools": {"components": [{"type": "application", "name": "assay", "version": facts.assay_version}]},
                "component": {
                    "type": "application",
                    "bom-ref": _AGENT,
                    "name": service_name(facts),
                    "version": facts.test_id,
                },
            },
            "components": components,
            "dependencies": [{"ref": _AGENT, "dependsOn": [one["bom-ref"] for one in components]}],
            "compositions": [
                {
                    "aggregate": "incomplete"
                    if open_requirements(facts) or facts.dockerfile or facts.system_packages
                    else "complete",
                    "assemblies": [_AGENT],
                }
            ],
        }
    )


def package_urls(facts: PackageFacts) -> list[str]:
    """The purl of everything that was installed for the agent, with its version where that is known."""
    return [one["purl"] for one in (*_python_packages(facts), *_debian_packages(facts))]


def _python_packages(facts: PackageFacts) -> list[dict[str, Any]]:
    built = set(compiled(facts))
    versions: dict[str, str] = {}
    for line in open_requirements(facts):
        versions[canonicalize_name(Requirement(line).name)] = ""
    from_source = set()
    for line in installed(facts):
        requirement = Requirement(line)
        name = canonicalize_name(requirement.name)
        versions[name] = next((one.version for one in requirement.specifier), "")
        if line in built:
            from_source.add(name)
    return [
        _component("library", f"pkg:pypi/{name}", name, version)
        | ({"properties": [{"name": "assay:built_from_source", "value": "true"}]} if name in from_source else {})
        for name, version in sorted(versions.items())
    ]


def _debian_packages(facts: PackageFacts) -> list[dict[str, Any]]:
    return [_component("library", f"pkg:deb/debian/{quote(name)}", name, "") for name in system_packages(facts)]


def _python(facts: PackageFacts) -> dict[str, Any]:
    return _component("platform", "pkg:generic/python", "python", facts.python_version)


def _component(kind: str, purl: str, name: str, version: str) -> dict[str, Any]:
    url = f"{purl}@{quote(version, safe='')}" if version else purl
    return {
        "type": kind,
        "bom-ref": url,
        "name": name,
        **({"version": version} if version else {}),
        "purl": url,
    }
