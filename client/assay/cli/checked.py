"""What `assay submit` says beside the test itself: notes about the files, findings, and the outcome of a dry run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from assay.bundle import Bundle
from assay.cli import submission_text
from assay.cli.jsontext import json_text
from assay.cli.screen import PlainScreen, open_screen
from assay.cli.session import ERROR, PASSED
from assay.cli.text import safe
from assay.errors import AssayError, Details, FieldViolation, InvalidRequest
from assay.findings import Severity
from assay.project import Project, crowded, largest

if TYPE_CHECKING:
    from assay.cli.handed_in import HandedIn
    from assay.tests import Test


def tell_notes(handed_in: HandedIn, *, dry_run: bool) -> None:
    """On standard error, as what is worth knowing and no result."""
    for note in handed_in.notes:
        print(f"note: {safe(note)}", file=sys.stderr)
    if isinstance(handed_in.agent, Project) and not dry_run:
        print(f"sending {submission_text.summary(handed_in.agent)}", file=sys.stderr)


def tell_findings(test: Test) -> None:
    """On standard error, before the test runs. Notes are for a dry run: the run itself says more."""
    screen = PlainScreen(sys.stderr)
    for one in test.findings:
        if one.severity is Severity.NOTE:
            continue
        screen.show(submission_text.finding(one))


def outcome(handed_in: HandedIn, test: Test, *, as_json: bool) -> int:
    """Of a dry run: what would be sent, what was found, and whether a test could be made of it."""
    valid = submission_text.valid(test.findings)
    if as_json:
        print(json_text(submission_text.as_json(handed_in.agent, handed_in.inputs, test.findings)))
        return PASSED if valid else ERROR
    screen = open_screen()
    if isinstance(handed_in.agent, Project):
        screen.show(submission_text.project(handed_in.agent))
    if handed_in.inputs.files:
        screen.show(submission_text.bundle(handed_in.inputs, "in /work/in"))
    for one in test.findings:
        screen.show(submission_text.finding(one))
    print("valid: nothing was submitted" if valid else "invalid: the test would fail; nothing was submitted")
    return PASSED if valid else ERROR


def with_the_largest(error: InvalidRequest, handed_in: HandedIn) -> AssayError:
    """The refusal of an archive also names its largest files: who has to leave some out wants to know."""
    bundles: dict[str, Bundle] = {"spec.inputs": handed_in.inputs}
    if isinstance(handed_in.agent, Project):
        bundles["spec.project"] = handed_in.agent.bundle
    whole = "spec.project" if "spec.project" in bundles else "spec.inputs"  # what an upload, called `data`, was of
    fields = [whole if violation.field == "data" else violation.field for violation in error.violations]
    last = {field: number for number, field in enumerate(fields) if field in bundles}
    told = [
        FieldViolation(field, violation.description + (_sent(bundles[field]) if last.get(field) == number else ""))
        for number, (field, violation) in enumerate(zip(fields, error.violations, strict=True))
    ]
    details = error.details
    return InvalidRequest(
        error.message, code=error.code, details=Details(details.reason, details.metadata, fields=tuple(told))
    )


def _sent(bundle: Bundle) -> str:
    """Whatever it is that the server does not take: it says so in its own words, which nothing here depends on."""
    most = "; ".join(crowded(bundle.files))
    files = f", most of them in: {most}" if most else ""
    return f" ({submission_text.amount(bundle)}{files}; largest: {'; '.join(largest(bundle.files))})"
