"""Deployment packages: content, ZIP, S3, links, expiry. Knows nothing of the scheduler and of ECS."""
