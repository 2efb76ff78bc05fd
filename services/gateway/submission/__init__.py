"""SubmitTest and RetryTest: every bad field told at once, limits kept, one way in for both."""
