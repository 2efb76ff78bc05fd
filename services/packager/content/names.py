"""Names that may stand anywhere without quotes: in a Dockerfile, a shell line, a YAML key, a CloudFormation name."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from services.packager.content.facts import PackageFacts

SERVICE_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
_OTHERS: Final = re.compile(r"[^a-z0-9]+")
_LONGEST: Final = 40
"""of a name that we make: a load balancer's has at most 32 characters, and names in AWS get something appended"""


def service_name(facts: PackageFacts) -> str:
    """The name of the service: the one that was asked for, else one made from the agent's name or id."""
    wanted = facts.options.service_name
    if wanted:
        if not SERVICE_NAME.fullmatch(wanted):
            raise ValueError("service_name must be [a-z][a-z0-9-]{0,62}")
        return wanted
    for given in (facts.agent_name, facts.agent_id):
        plain = "".join(sign for sign in unicodedata.normalize("NFKD", given) if not unicodedata.combining(sign))
        slug = _OTHERS.sub("-", plain.lower()).strip("-")
        if slug:
            slug = slug if slug[0].isalpha() else f"agent-{slug}"
            return slug[:_LONGEST].rstrip("-")
    return "agent"


def image_name(facts: PackageFacts) -> str:
    """The name of the image and of what runs it: Docker allows no dash at the end."""
    return service_name(facts).rstrip("-")
