# answer: "A: how are you?"
# call: "travel_agent(query)"
"""A platform calls app with its events, of which the query is none."""


class Events:
    def __call__(self, event, context):
        return {"statusCode": 404}


app = Events()


def travel_agent(question):
    return "A: " + question
