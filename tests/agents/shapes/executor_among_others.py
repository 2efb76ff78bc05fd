# code: "ENTRYPOINT_AMBIGUOUS"
# message: "executor (Worker), planner (Worker)"
"""executor is a part that one of several plays."""


class Worker:
    def run(self, query):
        return query


planner = Worker()
executor = Worker()
