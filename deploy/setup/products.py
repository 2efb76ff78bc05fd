"""The files that must stand alone where they run, and the modules that they are made of: see join.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

HARNESS = "services.orchestrator.harness.src"
SERVER = "services.packager.server_src"

HARNESS_REST: Mapping[str, Sequence[str]] = {
    "files": (
        *("INPUT_FOLDER", "OUTPUT_FOLDER", "FOLDER_FLAGS", "KIND", "MOST_LEFT_OUT", "LOST_ON_THE_WAY"),
        *("lay_out", "make_folders", "make_folder", "folders_of_the_agent", "is_out_empty"),
    ),
    "transport": ("take_context", "deliver"),
    "install_message": (),
    "install": (
        *("InstallFailed", "NeedsSource", "Stopped", "wants_install"),
        *("BUILT", "installed_in", "built_in", "_is_compiled"),
    ),
    "record_values": ("NotThatType",),
    "typed_values": (),
    "code_reading": ("MOST_FUNCTIONS", "layers_of", "never_read"),
    "payload": (),
    "keywords": (),
    "advice": ("listed",),
    "arrival": ("that_is_read",),
    "binding": (
        *("CONTEXT_NAMES", "SESSION_NAMES", "HISTORY_NAMES", "COMMAND_LINE_NAMES", "RANK", "Place", "place_of"),
        *("_is_for_a_query", "_is_given_by_us", "_with_beside", "_without_required", "bind", "_value_of", "_filled"),
    ),
    "call_context": (),
    "printed": (),
    "relations": ("ModuleOfPython", "is_function"),
    "commands": ("command_of",),
    "frameworks": (),
    "servers": ("SERVER_PARAMETERS", "serves", "ADAPTER_NAMES", "is_an_adapter"),
    "imported": ("is_own",),
    "candidates": (
        *("AGENT_NAMES", "FUNCTION_NAMES", "STEPS", "ROLES", "NO", "Candidate", "fit_of", "_fit_of_parameters"),
        *("candidates_of", "_can_be_called", "decided", "users_of", "_can_use", "peers_of", "_outermost"),
    ),
    "script_parts": (),
    "handed_on": (),
    "refusals": ("AS_A_SCRIPT",),
    "entry": (
        *("MOST_CANDIDATES", "EntrypointNotFound", "EntrypointAmbiguous", "Entry"),
        *("_scope_of", "find_entry", "_refuse_parts_of_scripts", "_named", "_import"),
    ),
    "script_reading": (),
    "script": ("MAIN", "script_of"),
    "offered": (),
    "missing_program": (),
    "unreachable": (),
    "hints": ("leaf_of", "environment_variable", "_last"),
    "kinds": ("Unfit", "UNFIT", "part", "at"),
    "framework_answers": (),
    "table_values": (),
    "pending_values": (),
    "python_values": (),
    "web_values": (),
    "conversions": (),
    "fitting": (),
    "conversion_notes": ("unwarned",),
    "time_budget": (),
    "answers": ("TooLarge",),
    "yields": (),
    "shown_answer": (),
    "system_packages": (),
}


@dataclass(frozen=True, slots=True)
class Product:
    """One program, and what it is made of."""

    path: str
    """From the root of the project."""
    package: str
    """Whose docstring is that of the file."""
    modules: Sequence[str]
    """In this order; each may import those before it."""
    may_import: frozenset[str]
    """What the file may import whenever it starts: every start pays for it. The rest is imported where it is used."""
    rest_path: str = ""
    """From the root of the project: a second file, with what few runs of the first need."""
    in_rest: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The modules of the second file, and of each the names that are in the first all the same."""
    after: str = ""
    """The module of the first file that has `from_the_rest`, which stands for what is in the second."""


CALLING = (
    f"{HARNESS}.parameters",
    f"{HARNESS}.query_names",
    f"{HARNESS}.record_values",
    f"{HARNESS}.typed_values",
    f"{HARNESS}.query_values",
    f"{HARNESS}.code_reading",
    f"{HARNESS}.payload",
    f"{HARNESS}.keywords",
    f"{HARNESS}.advice",
    f"{HARNESS}.plan",
    f"{HARNESS}.arrival",
    f"{HARNESS}.binding",
    f"{HARNESS}.call_context",
    f"{HARNESS}.printed",
    f"{HARNESS}.relations",
    f"{HARNESS}.commands",
    f"{HARNESS}.frameworks",
    f"{HARNESS}.servers",
    f"{HARNESS}.imported",
    f"{HARNESS}.registered",
    f"{HARNESS}.candidates",
    f"{HARNESS}.script_parts",
    f"{HARNESS}.handed_on",
    f"{HARNESS}.refusals",
    f"{HARNESS}.entry",
)
"""From what a file offers to the call that hands the query over: alike in the harness and the package server."""

PRODUCTS = (
    Product(
        path="services/orchestrator/harness/test_runner.py",
        package=HARNESS,
        modules=(
            f"{HARNESS}.jsontext",
            f"{HARNESS}.naming",
            f"{HARNESS}.system",
            f"{HARNESS}.file_descriptors",
            f"{HARNESS}.own_files",
            f"{HARNESS}.rest",
            f"{HARNESS}.environment",
            f"{HARNESS}.frames",
            f"{HARNESS}.levels",
            f"{HARNESS}.output",
            f"{HARNESS}.streams",
            f"{HARNESS}.children",
            f"{HARNESS}.watch",
            f"{HARNESS}.context",
            f"{HARNESS}.files",
            f"{HARNESS}.transport",
            f"{HARNESS}.install_message",
            f"{HARNESS}.install",
            f"{HARNESS}.load",
            *CALLING,
            f"{HARNESS}.script_reading",
            f"{HARNESS}.script",
            f"{HARNESS}.offered",
            f"{HARNESS}.missing_program",
            f"{HARNESS}.unreachable",
            f"{HARNESS}.hints",
            f"{HARNESS}.kinds",
            f"{HARNESS}.framework_answers",
            f"{HARNESS}.table_values",
            f"{HARNESS}.pending_values",
            f"{HARNESS}.python_values",
            f"{HARNESS}.web_values",
            f"{HARNESS}.conversions",
            f"{HARNESS}.fitting",
            f"{HARNESS}.conversion_notes",
            f"{HARNESS}.time_budget",
            f"{HARNESS}.answers",
            f"{HARNESS}.usage",
            f"{HARNESS}.yields",
            f"{HARNESS}.shown_answer",
            f"{HARNESS}.agent_loop",
            f"{HARNESS}.call",
            f"{HARNESS}.particulars",
            f"{HARNESS}.plain_answers",
            f"{HARNESS}.reply",
            f"{HARNESS}.agent_streams",
            f"{HARNESS}.agent_process",
            f"{HARNESS}.memory",
            f"{HARNESS}.system_packages",
            f"{HARNESS}.run",
            f"{HARNESS}.main",
        ),
        may_import=frozenset({"_signal", "io", "marshal", "posix", "select", "sys", "time"}),
        rest_path="services/orchestrator/harness/test_runner_rest.py",
        # What `def run(query)` without requirements and files, which answers with plain JSON, does not need.
        in_rest={f"{HARNESS}.{module}": names for module, names in HARNESS_REST.items()},
        after=f"{HARNESS}.rest",
    ),
    Product(
        path="services/packager/templates/server.py",
        package=SERVER,
        modules=(
            f"{SERVER}.settings",
            f"{SERVER}.reports",
            f"{HARNESS}.jsontext",
            f"{SERVER}.worker_process",
            f"{SERVER}.pool",
            f"{SERVER}.clients",
            f"{SERVER}.framing",
            f"{SERVER}.connection",
            f"{SERVER}.http_service",
            f"{SERVER}.service",
            f"{HARNESS}.naming",
            f"{HARNESS}.own_files",
            *CALLING,
            f"{HARNESS}.kinds",
            f"{HARNESS}.framework_answers",
            f"{HARNESS}.table_values",
            f"{HARNESS}.pending_values",
            f"{HARNESS}.python_values",
            f"{HARNESS}.web_values",
            f"{HARNESS}.conversions",
            f"{HARNESS}.fitting",
            f"{HARNESS}.conversion_notes",
            f"{HARNESS}.time_budget",
            f"{HARNESS}.answers",
            f"{HARNESS}.usage",
            f"{HARNESS}.yields",
            f"{HARNESS}.shown_answer",
            f"{HARNESS}.agent_loop",
            f"{HARNESS}.call",
            f"{HARNESS}.load",
            f"{HARNESS}.script_reading",
            f"{HARNESS}.script",
            f"{SERVER}.script_runs",
            f"{SERVER}.worker",
            f"{SERVER}.main",
        ),
        may_import=frozenset(
            {
                *("hmac", "json", "os", "queue", "re", "select", "shutil", "signal"),
                *("subprocess", "sys", "tempfile", "threading", "time"),
            }
        ),
    ),
)
