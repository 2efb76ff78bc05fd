"""Reads the output of tasks, orders it, publishes and stores it. Does not know why a task runs."""
