# answer: {"question": "how are you?"}
# call: "pipeline.run(question=query)"
"""haystack: a pipeline takes what its components lack."""


class Pipeline:
    def inputs(self):
        return {"builder": {"question": {"is_mandatory": True}, "style": {"is_mandatory": False}}}

    def run(self, data, include_outputs_from=None):
        return data


Pipeline.__module__ = "haystack.core.pipeline.pipeline"
pipeline = Pipeline()
