"""The way to AWS: the only place that knows boto3. Calls are rated, retried and have a deadline; errors have a kind."""
