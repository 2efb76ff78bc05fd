# entrypoint: "__main__"
# code: "AGENT_EXITED"
# message: "sys.exit(2)"
# hint: "A script gets the query as its only argument"
"""A script that ends with a status of its own."""
import argparse

argparse.ArgumentParser().parse_args()
