"""GetSystemHealth: what replicas report, what the gateway itself sees, and how everything is by that."""
