# answer: {"question": "how are you?"}
# call: "program(question=query)"
"""dspy: keywords only, by the fields of the signature."""


class Signature:
    input_fields = {"question": None}


class Predict:
    signature = Signature

    def named_predictors(self):
        return []

    def __call__(self, *args, **kwargs):
        assert not args, "Positional arguments are not allowed"
        return kwargs


Predict.__module__ = "dspy.predict.predict"
program = Predict()
