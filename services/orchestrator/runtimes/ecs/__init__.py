"""Tasks on AWS ECS Fargate: one module for each step of a task's life, and the port in `runtime.py`."""
