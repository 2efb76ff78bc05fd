# code: "AGENT_IMPORT_ERROR"
# message: "list index out of range"
# hint: "run it as a script (-e __main__)"
"""A script without a guard."""
import sys

print(sys.argv[1])
