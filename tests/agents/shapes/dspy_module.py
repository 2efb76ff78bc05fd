# answer: "how are you?"
# call: "rag(passage=query)"
"""dspy: a program of one's own, whose forward says what it takes."""


class Module:
    def named_predictors(self):
        return []

    def __call__(self, *args, **kwargs):
        assert not args, "Positional arguments are not allowed"
        return self.forward(**kwargs)


Module.__module__ = "dspy.primitives.module"


class RAG(Module):
    def forward(self, passage, k=3):
        return passage


rag = RAG()
