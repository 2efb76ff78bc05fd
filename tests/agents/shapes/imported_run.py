# answer: "A: how are you?"
# call: "research_topic(query)"
"""run is that of subprocess."""
from subprocess import run


def research_topic(topic):
    return "A: " + topic + run(["true"], capture_output=True, text=True).stdout
