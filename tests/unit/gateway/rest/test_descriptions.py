from __future__ import annotations

import pytest
from flask import Flask

from chat.gateway import catalogue
from chat.gateway.rest import descriptions
from chat.protocol import asyncapi

OPENAPI = catalogue.openapi_document(is_dev=True)


@pytest.mark.parametrize(("name", "document"), [("openapi", OPENAPI), ("asyncapi", asyncapi.document())])
def test_the_document_is_served_as_json(name: str, document: object) -> None:
    app = Flask(__name__, static_folder=None)
    app.register_blueprint(descriptions.blueprint(lambda: OPENAPI))
    response = app.test_client().get(f"/api/v1/{name}.json")
    assert (response.status_code, response.mimetype) == (200, "application/json")
    assert response.get_json() == document
