"""The web console: a backend for browsers that is a client of the gateway, and nothing more."""
