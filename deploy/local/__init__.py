"""Local mode: all services in one process, beside the servers they need as supervised children."""
