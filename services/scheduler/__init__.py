"""The queue, the capacity slots, fairness and abandoned claims. Knows nothing of containers and logs."""
