"""`GET /events`: everything that one browser tab follows, over one response of server-sent events."""
