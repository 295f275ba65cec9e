from __future__ import annotations

from flask import Flask

from chat.gateway.rest import descriptions
from chat.protocol import asyncapi


def test_the_document_is_served_as_json() -> None:
    app = Flask(__name__, static_folder=None)
    app.register_blueprint(descriptions.blueprint())
    response = app.test_client().get("/api/v1/asyncapi.json")
    assert (response.status_code, response.mimetype) == (200, "application/json")
    assert response.get_json() == asyncapi.document()
