# answer: {"topic": "how are you?"}
# call: "crew.kickoff(inputs={\"topic\": query})"
"""crewai: the query fills the only place that the tasks have."""


class Crew:
    def fetch_inputs(self):
        return {"topic"}

    def kickoff(self, inputs=None):
        return inputs


Crew.__module__ = "crewai.crew"
crew = Crew()
