# code: "QUERY_NOT_ACCEPTED"
# message: "of **kwargs it reads city and days, and none of that is the query. Give the query as a JSON object: {\"city\": ...,"
"""It looks for other things, and has defaults for them."""
def run(**kwargs):
    return kwargs.get("city", "Oslo") + str(kwargs["days"] if "days" in kwargs else 1)
