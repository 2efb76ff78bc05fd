# entrypoint: "__main__"
# answer: {"asked": "how are you?", "name": "__main__"}
"""All that it prints is one JSON document."""
import json
import sys

print(json.dumps({"asked": sys.stdin.read(), "name": __name__}, indent=2))
sys.exit(0)
