# answer: "A: how are you?"
# call: "travel_agent(query)"
"""app.run starts a server."""


class Service:
    def run(self, host="127.0.0.1", **options):
        raise SystemExit("serving")


app = Service()


def travel_agent(question):
    return "A: " + question
