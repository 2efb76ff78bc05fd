"""Where a task runs: one module per runtime, and beside it the rooms that it alone uses."""
