# query: "{\"prompt\": \"hi\"}"
# answer: {"result": "You asked: hi"}
# call: "invoke(json(query), context)"
# candidates: []
"""Case 22: as the AgentCore samples are: a decorator registers the handler, the payload is an object."""


class App:
    def entrypoint(self, function):
        self.handler = function
        return function

    def run(self, port=8080):
        raise SystemExit("would listen on %d" % port)


app = App()


@app.entrypoint
def invoke(payload, context=None):
    prompt = payload.get("prompt", "nothing asked")
    return {"result": f"You asked: {prompt}"}


if __name__ == "__main__":
    app.run()
