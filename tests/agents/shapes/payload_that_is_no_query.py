# code: "QUERY_NOT_ACCEPTED"
# message: "handler(event, context=None) did not take the query: it reads city of its object, which has prompt. Give the query as a JSON object: {\"city\": ...}."
"""It looks for other things: seen in its code, and not run."""
def handler(event, context=None):
    raise AssertionError(event.get("city", "Oslo"))
