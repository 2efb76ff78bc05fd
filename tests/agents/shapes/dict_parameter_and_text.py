# code: "QUERY_NOT_ACCEPTED"
# message: "run(inputs) cannot take the query: inputs wants a JSON object"
"""A parameter that wants an object, and a text that is none."""


def run(inputs: dict):
    return inputs
