# code: "ENTRYPOINT_NOT_FOUND"
# message: "agent.py has nothing to call. If it is a script, run the file as a script with the entry point __main__"
"""A script without a guard that only prints."""
print("the answer is 42")
