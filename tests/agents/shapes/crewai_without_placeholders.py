# code: "QUERY_NOT_ACCEPTED"
# message: "crew cannot take the query: its tasks have no place such as {topic}"
"""crewai: tasks that are the same whatever is asked."""


class Crew:
    def fetch_inputs(self):
        return set()

    def kickoff(self, inputs=None):
        return "always the same"


Crew.__module__ = "crewai.crew"
crew = Crew()
