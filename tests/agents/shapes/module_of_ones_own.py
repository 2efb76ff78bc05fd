# code: "AGENT_IMPORT_ERROR"
# message: "No module named 'tools'"
# hint: "If tools is a file or folder of yours, hand it in as well: assay submit DIR, or --include tools.py."
"""Case 51: a file beside it was not handed in."""
from tools import shout


def run(query):
    return shout(query)
