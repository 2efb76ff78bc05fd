"""What a service says about itself: logs, metrics, traces, health."""
