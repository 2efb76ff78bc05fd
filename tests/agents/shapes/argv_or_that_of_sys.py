# answer: ["how are you?", "how are you?"]
# call: "main([query])"
"""Both say the same, whichever the code reads."""
import sys
def main(argv=None):
    return [(argv or ["nothing"])[0], sys.argv[1]]
