"""docs/store.md names every field of every document, and no field that is not there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from shared.store.admissions import RateWindow
from shared.store.artifacts import ArtifactPart
from shared.store.audit import AuditEntry, AuditOutcome
from shared.store.documents import ApiKey, Chunk, Execution, QueueEntry, Slot
from shared.store.limits import UserLimits
from shared.store.package_documents import Package
from shared.store.projects import StoredProject

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "store.md").read_text("utf-8")


def parts_of(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from parts_of(argument)


def fields(document: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in document.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        inner = list(parts_of(field.annotation))
        if not inner:
            yield path
        for part in inner:
            yield from fields(part, f"{path}.")


def section(collection: str) -> str:
    found = re.search(rf"^## {collection}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/store.md has no section {collection}"
    return found[1]


@pytest.mark.parametrize(
    ("collection", "document"),
    [
        ("executions", Execution),
        ("queue", QueueEntry),
        ("slots", Slot),
        ("users", UserLimits),
        ("rate_windows", RateWindow),
        ("log_chunks", Chunk),
        ("packages", Package),
        ("projects", StoredProject),
        ("artifacts", ArtifactPart),
        ("api_keys", ApiKey),
        ("audit", AuditEntry),
        ("audit", AuditOutcome),
    ],
)
def test_every_field_is_explained(collection: str, document: type[BaseModel]) -> None:
    named = set(re.findall(r"`([\w.]+)`", section(collection)))
    assert [path for path in fields(document) if path not in named] == []


def test_no_field_of_a_test_is_explained_that_is_not_there() -> None:
    there = set(fields(Execution)) | {"outbox", "facets"}
    groups = {path.rpartition(".")[0] for path in there} | {"failure.agent_error"}
    firsts = re.findall(r"^\| ((?:`[\w.]+`(?:, )?)+)", section("executions"), re.MULTILINE)
    named = {name for cell in firsts for name in re.findall(r"`([\w.]+)`", cell)}
    assert named - there - groups == set()
