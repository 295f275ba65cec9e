"""What a server answers and what it says it answers are the same, route by route."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from openapi_spec_validator import OpenAPIV31SpecValidator

from chat.gateway import catalogue
from chat.gateway.assembly import WakeUps, build
from chat.gateway.rest.openapi import PATH_SCHEMAS
from config.settings import load_settings

OF_THE_PAGE = {"/", "/assets/<name>", "/sw.js"}
OF_ITSELF = {"HEAD", "OPTIONS"}


def app_of(mode: str, folder: Path) -> Flask:
    """Return the routes of a server, which needs no Redis as long as nobody asks."""
    given = {
        "AUTH_MODE": mode,
        "AUTH_SECRET": "x" * 40,
        "DATA_DIR": str(folder),
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }

    def nobody(*_: object) -> None: ...

    app: Flask = build(load_settings(given), WakeUps(*[nobody] * 6)).app
    return app


@pytest.mark.parametrize("mode", ["dev", "jwt"])
def test_every_route_has_an_operation_and_every_operation_a_route(mode: str, tmp_path: Path) -> None:
    rules = [each for each in app_of(mode, tmp_path).url_map.iter_rules() if not each.websocket]
    routes = [(method, each.rule) for each in rules for method in (each.methods or set()) - OF_ITSELF]
    described = [(each.method, each.path) for each in catalogue.operations(is_dev=mode == "dev")]
    assert sorted(described) == sorted(each for each in routes if each[1] not in OF_THE_PAGE)


@pytest.mark.parametrize("is_dev", [True, False])
def test_the_document_is_one_when_a_validator_reads_it(is_dev: bool) -> None:
    document: Any = catalogue.openapi_document(is_dev=is_dev)
    assert [str(each) for each in OpenAPIV31SpecValidator(document).iter_errors()] == []
    assert ("/api/v1/dev/token" in document["paths"]) == is_dev


@pytest.mark.parametrize("operation", catalogue.operations(is_dev=True), ids=lambda each: each.name)
def test_an_operation_says_what_it_is_for(operation: Any) -> None:
    assert operation.about
    assert set(operation.parameters) <= PATH_SCHEMAS.keys()
    assert [each.name for each in catalogue.operations(is_dev=True)].count(operation.name) == 1
