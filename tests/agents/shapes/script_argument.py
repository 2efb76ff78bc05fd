# entrypoint: "__main__"
# answer: "You asked how are you?"
# call: "python agent.py \"$query\""
# kind: "script"
"""A script run as one: the query is its argument."""
import sys

if __name__ == "__main__":
    print("thinking ...", file=sys.stderr)
    print("You asked", sys.argv[1])
