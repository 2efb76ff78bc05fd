# entrypoint: "Latest.crew"
# answer: {"topic": "how are you?"}
# call: "Latest.crew.kickoff(inputs={\"topic\": query})"
# named: true
"""crewai: the method that makes a crew is not the agent, its crew is."""


class Crew:
    def fetch_inputs(self):
        return {"topic"}

    def kickoff(self, inputs=None):
        return inputs


Crew.__module__ = "crewai.crew"


class Latest:
    is_crew_class = True

    def crew(self):
        return Crew()
