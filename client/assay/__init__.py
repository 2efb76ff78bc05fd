"""Assay: run tests of AI agents in isolation. This package is the public SDK; it knows the gRPC API and nothing else.

Names are loaded on first use, so that `import assay` (and with it `assay --help`) costs nothing.

    from assay import Assay

    with Assay() as client:
        test = client.run("def run(query): return query.upper()", "hello")
        print(test.response)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assay.account import Account
    from assay.admin import (
        ApiKey,
        CreatedKey,
        DeadLetter,
        KeyPage,
        LetterPage,
        RemainingLetter,
        Replayed,
        Revoked,
        Role,
        UserLimits,
        UserLimitsReport,
    )
    from assay.admin_blocking import Admin
    from assay.admin_client import AsyncAdmin
    from assay.agents import Agent, AgentPage, AgentRun
    from assay.audit import AuditChange, AuditEntry, AuditOutcome, AuditPage
    from assay.blocking import Assay
    from assay.changes import TestChanges
    from assay.client import AsyncAssay
    from assay.connection import Connection
    from assay.errors import (
        AlreadyExists,
        AssayError,
        BadAnswer,
        DeadlineExceeded,
        DownloadFailed,
        FailedPrecondition,
        FieldViolation,
        InvalidRequest,
        NotConfigured,
        NotFound,
        NotImplementedYet,
        PackageFailed,
        PermissionDenied,
        RateLimited,
        ServerError,
        TestFailed,
        Unauthenticated,
        Unavailable,
    )
    from assay.files import FileKind, TestFile
    from assay.findings import Finding, Severity
    from assay.health import HealthCheck, HealthState, ServiceError, ServiceHealth, StorageUse, SystemHealth
    from assay.listing import AsyncListing, Listing
    from assay.log_blocking import Logs
    from assay.log_client import AsyncLogs
    from assay.logs import LogLevel, LogLine, LogsComplete, LogSearch, LogStream, LogUpdate, PartialLine
    from assay.outcome import AgentError, Conversion, EntryPoint, Failure
    from assay.packages import DownloadLink, Package, PackageFile, PackageState
    from assay.project import BadProject, LeftOut, Project
    from assay.queue import QueueEntry, QueuePage, QueueStatus
    from assay.reports import (
        AgentComparison,
        AgentStats,
        CostGrouping,
        CostReport,
        CostRow,
        Durations,
        ReportInterval,
        Sizes,
        Usage,
        UsageFigures,
    )
    from assay.requirement_files import RefusedRequirements
    from assay.retry import RetryPolicy
    from assay.source_files import NotPythonText
    from assay.specification import Model
    from assay.tests import (
        Archived,
        Cancelled,
        CancelOutcome,
        Page,
        Test,
        TestOrder,
        TestState,
        Update,
        WatchEvent,
    )

_MODULES = {
    "account": "Account",
    "agents": "Agent AgentPage AgentRun",
    "changes": "TestChanges",
    "admin": "ApiKey CreatedKey DeadLetter KeyPage LetterPage RemainingLetter Replayed Revoked Role UserLimits "
    "UserLimitsReport",
    "admin_blocking": "Admin",
    "admin_client": "AsyncAdmin",
    "audit": "AuditChange AuditEntry AuditOutcome AuditPage",
    "blocking": "Assay",
    "client": "AsyncAssay",
    "connection": "Connection",
    "errors": "AlreadyExists AssayError BadAnswer DeadlineExceeded DownloadFailed FailedPrecondition FieldViolation "
    "InvalidRequest NotConfigured NotFound NotImplementedYet PackageFailed PermissionDenied RateLimited "
    "ServerError TestFailed Unauthenticated Unavailable",
    "files": "FileKind TestFile",
    "findings": "Finding Severity",
    "health": "HealthCheck HealthState ServiceError ServiceHealth StorageUse SystemHealth",
    "listing": "AsyncListing Listing",
    "log_blocking": "Logs",
    "log_client": "AsyncLogs",
    "logs": "LogLevel LogLine LogSearch LogStream LogsComplete LogUpdate PartialLine",
    "outcome": "AgentError Conversion EntryPoint Failure",
    "packages": "DownloadLink Package PackageFile PackageState",
    "project": "BadProject LeftOut Project",
    "queue": "QueueEntry QueuePage QueueStatus",
    "reports": "AgentComparison AgentStats CostGrouping CostReport CostRow Durations ReportInterval Sizes Usage "
    "UsageFigures",
    "requirement_files": "RefusedRequirements",
    "retry": "RetryPolicy",
    "specification": "Model",
    "source_files": "NotPythonText",
    "tests": "Archived CancelOutcome Cancelled Page Test TestOrder TestState Update WatchEvent",
}
_HOME = {name: module for module, names in _MODULES.items() for name in names.split()}

__all__ = [
    "Account",
    "Admin",
    "Agent",
    "AgentComparison",
    "AgentError",
    "AgentPage",
    "AgentRun",
    "AgentStats",
    "AlreadyExists",
    "ApiKey",
    "Archived",
    "Assay",
    "AssayError",
    "AsyncAdmin",
    "AsyncAssay",
    "AsyncListing",
    "AsyncLogs",
    "AuditChange",
    "AuditEntry",
    "AuditOutcome",
    "AuditPage",
    "BadAnswer",
    "BadProject",
    "CancelOutcome",
    "Cancelled",
    "Connection",
    "Conversion",
    "CostGrouping",
    "CostReport",
    "CostRow",
    "CreatedKey",
    "DeadLetter",
    "DeadlineExceeded",
    "DownloadFailed",
    "DownloadLink",
    "Durations",
    "EntryPoint",
    "FailedPrecondition",
    "Failure",
    "FieldViolation",
    "FileKind",
    "Finding",
    "HealthCheck",
    "HealthState",
    "InvalidRequest",
    "KeyPage",
    "LeftOut",
    "LetterPage",
    "Listing",
    "LogLevel",
    "LogLine",
    "LogSearch",
    "LogStream",
    "LogUpdate",
    "Logs",
    "LogsComplete",
    "Model",
    "NotConfigured",
    "NotFound",
    "NotImplementedYet",
    "NotPythonText",
    "Package",
    "PackageFailed",
    "PackageFile",
    "PackageState",
    "Page",
    "PartialLine",
    "PermissionDenied",
    "Project",
    "QueueEntry",
    "QueuePage",
    "QueueStatus",
    "RateLimited",
    "RefusedRequirements",
    "RemainingLetter",
    "Replayed",
    "ReportInterval",
    "RetryPolicy",
    "Revoked",
    "Role",
    "ServerError",
    "ServiceError",
    "ServiceHealth",
    "Severity",
    "Sizes",
    "StorageUse",
    "SystemHealth",
    "Test",
    "TestChanges",
    "TestFailed",
    "TestFile",
    "TestOrder",
    "TestState",
    "Unauthenticated",
    "Unavailable",
    "Update",
    "Usage",
    "UsageFigures",
    "UserLimits",
    "UserLimitsReport",
    "WatchEvent",
]


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
