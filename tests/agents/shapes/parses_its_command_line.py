# code: "AGENT_EXITED"
# message: "sys.exit(2)"
# hint: "run it as a script (-e __main__)"
"""A script without a guard that wants an argument."""
import argparse

parser = argparse.ArgumentParser()
parser.add_argument("query")
print(parser.parse_args().query)
