# entrypoint: "__main__"
# query: null
# query_passed: false
# answer: "1 False"
"""A script that is asked nothing."""
import os
import sys

print(len(sys.argv), "ASSAY_QUERY" in os.environ)
