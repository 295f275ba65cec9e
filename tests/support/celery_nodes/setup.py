"""The chat's own app in pytest-celery's setup: its routes, its queues, its transport options."""

from __future__ import annotations

import os

from celery import Celery
from pytest_celery import CeleryTestSetup  # type: ignore[import-untyped]

from config.settings import load_settings


class ChatSetup(CeleryTestSetup):  # type: ignore[misc]
    """A broker and workers; there is no result backend, because no task has a result."""

    @classmethod
    def name(cls) -> str:
        """Return the app's name."""
        return "chat"

    @classmethod
    def create_setup_app(cls, celery_setup_config: dict, celery_setup_app_name: str) -> Celery:
        """Return the app as workers make it from the environment, which has to hold their settings."""
        from workers.celery_app import make_app  # it reads the environment when it is imported

        app = make_app(load_settings(os.environ))
        app.conf.update(celery_setup_config)
        cls.update_app_config(app)
        return app
