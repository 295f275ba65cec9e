"""The page's routes: every file once, with its type, its policy and a tag that saves the second sending."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from chat.gateway.pages import blueprint, content_policy


def client(mode: str = "dev") -> FlaskClient:
    app = Flask(__name__, static_folder=None)
    app.register_blueprint(blueprint(mode))
    return app.test_client()


@pytest.mark.parametrize("mode", ["dev", "jwt"])
def test_the_page_knows_the_mode_of_its_server(mode: str) -> None:
    answer = client(mode).get("/")
    assert answer.status_code == 200
    assert answer.content_type == "text/html; charset=utf-8"
    assert f'data-auth-mode="{mode}"' in answer.text
    assert "{{" not in answer.text


def test_everything_the_page_and_its_modules_name_is_served() -> None:
    http, wanted, found = client(), {"main.js"}, set[str]()
    wanted |= set(re.findall(r'"assets/([^"]+)"', http.get("/").text))
    while name := next(iter(wanted - found), None):
        answer = http.get(f"/assets/{name}")
        assert answer.status_code == 200, name
        found.add(name)
        if name.endswith(".js"):
            assert answer.content_type == "text/javascript; charset=utf-8"
            wanted |= set(re.findall(r'from "\./([^"]+)"', answer.text))
    assert {"style.css", "icon.svg", "main.js", "chat-client.js", "store.js", "view.js"} <= found


def test_nothing_else_is_served() -> None:
    for path in (
        "/assets/index.html",
        "/assets/package.json",
        "/assets/..%2fpages.py",
        "/assets/",
        "/assets/nope.js",
    ):
        assert client().get(path).status_code == 404, path


def test_a_file_is_not_sent_again_when_the_browser_has_it() -> None:
    first = client().get("/assets/style.css")
    again = client().get("/assets/style.css", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert first.headers["Cache-Control"] == "no-cache"
    assert client().get("/", headers={"If-None-Match": '"another"'}).status_code == 200
    assert client("dev").get("/").headers["ETag"] != client("jwt").get("/").headers["ETag"]


def test_the_service_worker_is_at_the_top_and_always_fresh() -> None:
    answer = client().get("/sw.js")
    assert (answer.status_code, answer.content_type) == (200, "text/javascript; charset=utf-8")
    assert answer.headers["Cache-Control"] == "no-cache"
    assert client().get("/assets/sw.js").status_code == 404  # from there it could not serve the page


@pytest.mark.parametrize("path", ["/", "/sw.js", "/assets/main.js"])
def test_every_answer_carries_the_headers_that_protect_it(path: str) -> None:
    headers = client().get(path, headers={"Host": "chat.example:3000"}).headers
    assert headers["Content-Security-Policy"] == content_policy("chat.example:3000")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_the_policy_lets_in_the_own_host_and_nothing_else() -> None:
    policy = content_policy("chat.example:3000")
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;")
    assert "connect-src 'self' ws://chat.example:3000 wss://chat.example:3000;" in policy
    for rule in (
        "worker-src 'self'",
        "trusted-types service-worker",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ):
        assert rule in policy
    assert "unsafe" not in policy
    assert "ws://[::1]:3000" in content_policy("[::1]:3000")


@pytest.mark.parametrize("host", ["evil; script-src *", "a b", "*", "a/b", "x\n", "", "a:b:c", "é"])
def test_a_strange_host_does_not_reach_the_policy(host: str) -> None:
    assert "connect-src 'self';" in content_policy(host)
