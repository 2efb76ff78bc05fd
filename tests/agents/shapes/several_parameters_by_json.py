# query: "{\"city\": \"Oslo\", \"days\": 3}"
# answer: "Oslo: 3"
# call: "run(**json(query))"
"""A JSON object that has what a function of several parameters needs."""


def run(city, days):
    return f"{city}: {days}"
