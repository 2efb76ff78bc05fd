"""The network of a test: a namespace of its own with a user-mode way out, and rules for what it may reach."""
