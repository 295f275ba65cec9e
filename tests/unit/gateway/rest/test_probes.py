from __future__ import annotations

from typing import Any, cast

import pytest
from flask import Flask

from chat.errors import BrokerUnavailable
from chat.gateway.rest import probes, problems


class Server:
    """Has faults and figures, or can't tell."""

    def __init__(self, faults: dict[str, str]) -> None:
        self.told = faults

    def faults(self) -> dict[str, str]:
        return self.told

    def collect(self) -> dict[str, int]:
        raise BrokerUnavailable("stats")


def ask(path: str, faults: dict[str, str]) -> tuple[int, Any]:
    app = Flask(__name__, static_folder=None)
    problems.install(app)
    server = cast("Any", Server(faults))
    app.register_blueprint(probes.blueprint(server, server))
    response = app.test_client().get(path)
    return response.status_code, response.get_json(force=True)


@pytest.mark.parametrize(
    ("path", "faults", "status", "told"),
    [
        ("/healthz", {"redis": "gone"}, 200, {"status": "ok"}),
        ("/readyz", {}, 200, {"status": "ready"}),
        ("/readyz", {"redis": "gone"}, 503, {"status": "unready", "reasons": {"redis": "gone"}}),
    ],
)
def test_life_and_readiness_are_told_apart(path: str, faults: dict[str, str], status: int, told: Any) -> None:
    assert ask(path, faults) == (status, told)


def test_it_is_a_problem_when_the_figures_can_not_be_read() -> None:
    status, told = ask("/stats", {})
    assert (status, told["title"]) == (503, "unavailable")
