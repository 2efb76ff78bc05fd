# code: "ENTRYPOINT_NOT_FOUND"
# message: "slugify(text) may be a part of it only. Either run the file as a script with the entry point __main__"
"""The script is the agent, its only function is not."""
import sys


def slugify(text):
    return text.lower()


if __name__ == "__main__":
    print("Answer about", slugify(sys.argv[1]))
