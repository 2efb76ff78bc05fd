"""The gRPC API: authentication, validation, reads and live streams. Knows neither ECS nor the order of the queue."""
