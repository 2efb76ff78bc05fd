# code: "ENTRYPOINT_AMBIGUOUS"
# message: "execute(query), support (Support)"
"""The object uses execute, and nothing says how it is called."""


def execute(query):
    return "rows for " + query


class Support:
    def reply_to(self, question):
        return "A: " + execute(question)


support = Support()
