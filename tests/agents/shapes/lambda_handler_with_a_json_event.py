# query: "{\"body\": \"x\", \"path\": \"/\"}"
# answer: ["body", "path"]
# call: "handler(json(query), context)"
"""The query is the event."""


def handler(event, _):
    return sorted(event)
