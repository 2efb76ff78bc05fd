# code: "QUERY_NOT_ACCEPTED"
# message: "run(query, context) cannot take the query: it needs context beside query"
# traceback: ""
"""Case 23: two parameters, and no platform that has the second."""


def run(query, context):
    """AgentCore's (payload, context)"""
    return query
