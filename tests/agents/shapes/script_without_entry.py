# code: "ENTRYPOINT_NOT_FOUND"
# message: "agent.py has nothing to call. You can run the file as a script with the entry point __main__ (-e __main__)"
"""Case 57: everything under the main guard."""
import argparse

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--query", required=True)
    args = parser.parse_args()
    print("You asked", args.query)
