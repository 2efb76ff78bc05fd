# answer: {"result": "how are you?"}
# call: "invoke({\"prompt\": query, \"input\": query}, context)"
"""AgentCore: the handler looks for it under a name of its own."""
class App:
    def entrypoint(self, function):
        self.handler = function
        return function


app = App()


@app.entrypoint
def invoke(payload, context):
    return {"result": payload.get("input", "Hello!")}
