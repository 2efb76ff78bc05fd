# query: "{\"city\": \"Oslo\", \"days\": 3}"
# answer: {"city": "Oslo", "days": 3}
# call: "run(**json(query))"
"""Keywords of any name: what the query holds."""


def run(**kwargs):
    return kwargs
