"""The processes beside the web server: the Celery app, and the stack that runs all parts on one machine."""
