"""Facts of a test to make packages of."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.packager.archive import packed, write_archive
from services.packager.content import ModelFacts, Options, Outcome, PackageFacts, contents

FACTS = PackageFacts(
    test_id="tst_0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
    agent_id="word-counter",
    agent_name="Word counter",
    agent_code="def run(query):\n    return {'words': len(query.split())}\n",
    query="How many words are these?",
    submitted=datetime(2026, 3, 4, 5, 6, 7, 890_000, UTC),
    finished=datetime(2026, 3, 4, 5, 6, 9, 12_000, UTC),
    assay_version="0.1.0",
    python_version="3.11.2",
    outcome=Outcome(success=True, run_ms=12.5, build_ms=3.25, peak_memory_bytes=40 << 20),
)
EVERYTHING = dataclasses.replace(
    FACTS,
    requirements=("pydantic>=2", "six"),
    resolved=("annotated-types==0.7.0", "pydantic==2.8.2", "six==1.17.0"),
    dockerfile="FROM scratch\n",
    entrypoint="agent:run",
    env_names=("GREETING", "TEMPERATURE"),
    secret_names=("OPENAI_API_KEY",),
    model=ModelFacts("ollama", "llama3.2", "http://127.0.0.1:11434", "us-east-1"),
    cpu=0.5,
    memory_mib=1024,
    options=Options(service_name="word-counter", port=9000, load_balancer=True, vpc_id="vpc-0123456789abcdef0"),
)


def facts(**changes: Any) -> PackageFacts:
    """A small test, with changes."""
    return dataclasses.replace(FACTS, **changes)


def zipped(of: PackageFacts) -> bytes:
    """The package as it is downloaded."""
    sink = io.BytesIO()
    write_archive(contents(of), of, sink)
    return sink.getvalue()


def unpacked(of: PackageFacts, folder: Path) -> Path:
    """The folder that `unzip` makes."""
    with zipfile.ZipFile(io.BytesIO(zipped(of))) as archive:
        archive.extractall(folder)
        return folder / archive.namelist()[0].partition("/")[0]


def text_of(of: PackageFacts) -> dict[str, str]:
    """All files as text."""
    return {path: data.decode() for path, data in packed(of).items()}
