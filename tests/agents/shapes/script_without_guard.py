# code: "ENTRYPOINT_NOT_FOUND"
# message: "run the file as a script with the entry point __main__"
"""It runs as it is loaded, with its default."""
import sys

query = sys.argv[1] if len(sys.argv) > 1 else "default"


def first(text):
    return text.lower()


def second(text):
    return first(text) + "!"


print("A:", second(query))
