# answer: "how are you?"
# call: "run(question=query)"
"""The code says under which name it looks for the query."""
def run(depth=2, **kwargs):
    return kwargs.get("question", "nothing")
