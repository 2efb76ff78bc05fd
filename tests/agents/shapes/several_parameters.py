# code: "QUERY_NOT_ACCEPTED"
# message: "give the query as a JSON object: {\"city\": ..., \"days\": ...}"
"""None of them plainly is the query."""


def run(city, days):
    return f"{city}: {days}"
