# entrypoint: "Latest"
# answer: {"topic": "how are you?"}
# call: "Latest.kickoff(inputs={\"topic\": query})"
# named: true
"""crewai: the class that `crewai create crew` writes makes its crew."""


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
