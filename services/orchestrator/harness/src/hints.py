"""What the user can do about an exception, where its kind says more than its code. An empty text where it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.missing_program import program_hint
from services.orchestrator.harness.src.unreachable import unreachable_hint

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any


# module: the requirement that brings it, where the names differ
REQUIREMENTS = {
    "agents": "openai-agents",
    "agno": "agno",
    "attr": "attrs",
    "autogen_agentchat": "autogen-agentchat",
    "autogen_core": "autogen-core",
    "autogen_ext": "autogen-ext[openai]",
    "bedrock_agentcore": "bedrock-agentcore",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "crewai_tools": "crewai-tools",
    "dateutil": "python-dateutil",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "fitz": "PyMuPDF",
    "git": "GitPython",
    "google.adk": "google-adk",
    "google.genai": "google-genai",
    "google.generativeai": "google-generativeai",
    "haystack": "haystack-ai",
    "jose": "python-jose",
    "jwt": "PyJWT",
    "langchain_anthropic": "langchain-anthropic",
    "langchain_aws": "langchain-aws",
    "langchain_community": "langchain-community",
    "langchain_core": "langchain-core",
    "langchain_google_genai": "langchain-google-genai",
    "langchain_ollama": "langchain-ollama",
    "langchain_openai": "langchain-openai",
    "langchain_text_splitters": "langchain-text-splitters",
    "llama_index": "llama-index",
    "magic": "python-magic",
    "multipart": "python-multipart",
    "MySQLdb": "mysqlclient",
    "OpenSSL": "pyOpenSSL",
    "PIL": "pillow",
    "pkg_resources": "setuptools",
    "pptx": "python-pptx",
    "psycopg2": "psycopg2-binary",
    "pydantic_ai": "pydantic-ai-slim",
    "pydantic_settings": "pydantic-settings",
    "semantic_kernel": "semantic-kernel",
    "sentence_transformers": "sentence-transformers",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "slugify": "python-slugify",
    "strands": "strands-agents",
    "strands_tools": "strands-agents-tools",
    "usb": "pyusb",
    "win32api": "pywin32",
    "yaml": "PyYAML",
    "zmq": "pyzmq",
}
# What people call files of their own. Packages of these names are there, too, and are a stranger's.
OWN_NAMES = frozenset(
    ("tools", "tool", "utils", "util", "helpers", "helper", "common", "config", "configs", "settings", "prompts")
    + ("prompt", "models", "model", "schemas", "schema", "types_", "nodes", "node", "state", "states", "graph", "src")
    + ("app", "agent", "core", "lib", "constants", "memory", "llm", "llms", "client", "clients", "services", "data")
    + ("database", "db", "api", "functions", "main", "workflow", "workflows", "tasks", "my_tools", "chains", "rag")
)
EAGAIN = 11
ENOSPC = 28
FORKING = ("subprocess.py", "popen_fork.py", "popen_spawn_posix.py", "util.py")  # files that start processes


def hint_for(error: BaseException, *, project: bool = False, max_processes: int = 0) -> str:
    """What to do about it. `project` says that more than one file was handed in, `max_processes` how many processes and
    threads there may be (0: what the system tells)."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return _missing_module(error.name, project=project)
    if isinstance(error, ImportError) and "relative import" in str(error):
        if project:
            return "Name the file that is the agent's inside of its package, where a relative import has a parent."
        return "The file imports others of its package: hand in the whole folder (assay submit DIR)."
    if isinstance(error, IndexError) and _reads_the_command_line(error):
        return "The file reads its command line: run it as a script (-e __main__), and the query is its argument."
    variable = environment_variable(error)
    if variable:
        return f"The environment variable {variable} is not set: pass it with --env {variable}."
    if isinstance(error, EOFError) and "reading a line" in str(error):
        return (
            "The agent asked for input, and nobody is there to type. Take the query as a parameter, or run the file as "
            "a script (-e __main__): then input() reads the query."
        )
    if isinstance(error, OSError) and error.errno == ENOSPC:
        return (
            "There is no room left for files. Those in /work, /tmp and /dev/shm count as memory in a sandbox: give the "
            "test more (--memory 1g), or write less at once."
        )
    wanted = _input_that_is_not_there(error)
    if wanted:
        return f"Hand the file in with the test: --file {wanted}=PATH."
    program = program_hint(error)
    if program:
        return program
    connection = unreachable_hint(error)
    if connection:
        return connection
    if _is_without_processes(error):
        limit = f"{max_processes} " if max_processes else process_limit()
        return (
            f"The agent reached the limit of {limit}processes and threads at once: start fewer, as in "
            "ThreadPoolExecutor(max_workers=16)."
        )
    return ""


def leaf_of(error: BaseException) -> BaseException:
    """What went wrong in a group of one, as task groups raise it; else the error itself."""
    import builtins

    group: Any = getattr(builtins, "BaseExceptionGroup", ())  # which Python before 3.11 has not
    while isinstance(error, group) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _input_that_is_not_there(error: BaseException) -> str:
    """Its path among the inputs; empty where another file was looked for."""
    import os

    if not isinstance(error, FileNotFoundError) or not isinstance(error.filename, (str, bytes, os.PathLike)):
        return ""
    path = os.path.abspath(os.fsdecode(error.filename))
    for folder in ("/work/in", os.environ.get("ASSAY_INPUT_DIR"), os.path.abspath("in")):
        if folder and path.startswith(folder.rstrip("/") + "/"):
            return path[len(folder.rstrip("/")) + 1 :]
    return ""


def _missing_module(name: str, *, project: bool) -> str:
    top = name.partition(".")[0]
    two = ".".join(name.split(".")[:2])
    own = (
        f"If {top} is a file or folder of the project, it was not sent: see .gitignore and .assayignore."
        if project
        else f"If {top} is a file or folder of yours, hand it in as well: assay submit DIR, or --include {top}.py."
    )
    requirement = REQUIREMENTS.get(two) or REQUIREMENTS.get(top)
    if requirement:
        return f"Add {requirement} to the requirements: it brings the module {two if two in REQUIREMENTS else top}."
    if top in OWN_NAMES:
        return own
    return f"If {top} is a package, add the one that brings it to the requirements. {own}"


def environment_variable(error: BaseException) -> str:
    """The name of the variable that is not set; empty where that is not what went wrong."""
    if isinstance(error, KeyError) and error.args and isinstance(error.args[0], str):
        place = _last(error.__traceback__)
        if place is not None and place.tb_frame.f_code.co_name == "__getitem__":
            file = place.tb_frame.f_code.co_filename
            if file == "<frozen os>" or file.endswith("/os.py"):
                return error.args[0]
        return ""
    try:
        said = str(error)
    except Exception:
        return ""
    if "environment variable" not in said and "env var" not in said.lower():
        return ""
    for word in said.replace("`", " ").replace("'", " ").replace('"', " ").replace("=", " ").split():
        word = word.strip(".,:;()[]")
        if len(word) > 4 and "_" in word and word.isupper() and word.replace("_", "a").isalnum():
            return word
    return ""


def _reads_the_command_line(error: BaseException) -> bool:
    place = _last(error.__traceback__)
    return place is not None and "argv" in place.tb_frame.f_code.co_names


def _last(place: TracebackType | None) -> TracebackType | None:
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return place


def _is_without_processes(error: BaseException) -> bool:
    if isinstance(error, RuntimeError):
        return "can't start new thread" in str(error)
    if not isinstance(error, OSError) or error.errno != EAGAIN:
        return False
    place = _last(error.__traceback__)
    file = "" if place is None else place.tb_frame.f_code.co_filename.rpartition("/")[2]
    return file in FORKING or "fork" in str(error)


def process_limit() -> str:
    """The number and a space, from the control group or the limits of this process; empty where neither tells."""
    for path in _limit_files():
        try:
            with open(path, encoding="ascii") as file:
                text = file.read().strip()
        except OSError:
            continue
        if text.isdigit():
            return f"{text} "
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    except (ImportError, OSError, ValueError):
        return ""
    return f"{limit} " if 0 < limit < 10_000 else ""  # more is what a machine has, not what a test may have


def _limit_files() -> list[str]:
    try:
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            entries = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return []
    folders = [
        f"/sys/fs/cgroup{entry[2]}" if not entry[1] else f"/sys/fs/cgroup/pids{entry[2]}"
        for entry in entries
        if len(entry) == 3 and (not entry[1] or "pids" in entry[1].split(","))
    ]
    return [f"{folder.rstrip('/')}/pids.max" for folder in (*folders, "/sys/fs/cgroup", "/sys/fs/cgroup/pids")]
