"""A real-time chat backend: accept in Redis, show at once, store in batches, confirm."""
