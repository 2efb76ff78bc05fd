# answer: {"topic": "how are you?"}
# call: "graph.invoke(state of the query)"
# candidates: []
"""langgraph: a state of one's own, beside the builder that it was made by."""


class StateGraph:
    def compile(self):
        return CompiledStateGraph()


class CompiledStateGraph:
    channels = {"topic": None, "joke": None, "__start__": None, "branch:to:node": None}

    def invoke(self, input, config=None):
        return input


StateGraph.__module__ = CompiledStateGraph.__module__ = "langgraph.graph.state"
workflow = StateGraph()
graph = workflow.compile()
