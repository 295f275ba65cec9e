"""Celery's entry into the chat: thin tasks around services, one module per queue."""
