"""One list of dead letters over several kinds, page by page, for operators alone."""

from __future__ import annotations

import pytest
from flask import Flask, g

from chat.broker.dead_letters import DeadLetter, DeadLetters
from chat.errors import LetterNotFound, LetterUnreadable, OutboxFull
from chat.gateway.dead_letters import Letter, LetterDesk, MessageLetters
from chat.gateway.identity import Identity
from chat.gateway.rest import dead_letters as rest_dead_letters
from chat.gateway.rest import problems

AT = "2026-01-31T12:00:00.000Z"


class Box:
    """Letters of one kind."""

    def __init__(self, *ids):
        self.ids = list(ids)
        self.redriven: list[str] = []

    def page(self, limit, after):
        start = self.ids.index(after) + 1 if after else 0
        return [Letter(each, "refused", "why", AT, {"room_id": "den"}) for each in self.ids[start : start + limit]]

    def redrive(self, letter_id):
        if letter_id not in self.ids:
            raise LetterNotFound("no")
        self.redriven.append(letter_id)
        return "accepted"

    def drop(self, letter_id):
        if letter_id in self.ids:
            self.ids.remove(letter_id)
            return True
        return False


@pytest.fixture
def boxes():
    return {"message": Box("7:1-0", "7:2-0", "8:1-0"), "push": Box("a", "b")}


@pytest.fixture
def ask(boxes):
    app = Flask(__name__, static_folder=None)
    problems.install(app)
    app.register_blueprint(rest_dead_letters.blueprint(LetterDesk(boxes)))
    who: list[Identity | None] = [None]

    @app.before_request
    def identify() -> None:
        g.identity = who[0]

    def ask(method, path="", identity: Identity | None = Identity("root", "root", is_admin=True)):  # noqa: B008
        who[0] = identity
        response = app.test_client().open(f"/api/v1/admin/dead-letters{path}", method=method)
        return response.status_code, response.get_json(force=True) if response.data else None

    return ask


def ids(answer):
    return [each["id"] for each in answer[1]["dead_letters"]]


def test_letters_are_told_with_what_they_are_about(ask):
    assert ask("GET", "?limit=1")[1] == {
        "dead_letters": [
            {
                "id": "message:7:1-0",
                "kind": "message",
                "code": "refused",
                "text": "why",
                "failed_at": AT,
                "details": {"room_id": "den"},
            }
        ],
        "next": "message:7:1-0",
    }


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6])
def test_every_letter_is_in_one_page_whatever_their_size(ask, limit):
    found, cursor = [], ""
    for _ in range(6):
        answer = ask("GET", f"?limit={limit}&cursor={cursor}")
        found += ids(answer)
        cursor = answer[1]["next"]
        if cursor is None:
            break
    assert found == ["message:7:1-0", "message:7:2-0", "message:8:1-0", "push:a", "push:b"]


def test_letters_of_one_kind_are_told_on_demand(ask):
    assert ids(ask("GET", "?kind=push")) == ["push:a", "push:b"]
    assert ids(ask("GET", "?kind=message&cursor=message:7:2-0")) == ["message:8:1-0"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("kind=pigeon", "kind"),
        ("limit=0", "limit"),
        ("cursor=x:1", "cursor"),
        ("kind=push&cursor=message:1", "cursor"),
    ],
)
def test_the_field_is_named_when_the_question_is_none(ask, query, field):
    status, problem = ask("GET", f"?{query}")
    assert (status, problem["field"]) == (400, field)


def test_a_letter_is_redriven_or_dropped(ask, boxes):
    assert ask("POST", "/push:b/redrive") == (200, {"id": "push:b", "outcome": "accepted"})
    assert boxes["push"].redriven == ["b"]
    assert ask("DELETE", "/message:7:2-0") == (204, None)
    assert boxes["message"].ids == ["7:1-0", "8:1-0"]


@pytest.mark.parametrize("letter", ["message:7:9-9", "push:c", "pigeon:1", "nonsense"])
def test_an_unknown_letter_is_not_found(ask, letter):
    for method, path in (("POST", f"/{letter}/redrive"), ("DELETE", f"/{letter}")):
        status, problem = ask(method, path)
        assert (status, problem["title"], problem.get("field", "letterId")) == (
            404,
            "letter-not-found",
            "letterId",
        )


@pytest.mark.parametrize(("identity", "status"), [(None, 401), (Identity("ann", "ann"), 403)])
def test_only_admins_may(ask, boxes, identity, status):
    for method, path in (("GET", ""), ("POST", "/push:a/redrive"), ("DELETE", "/push:a")):
        assert ask(method, path, identity)[0] == status
    assert (boxes["push"].ids, boxes["push"].redriven) == (["a", "b"], [])


class MessageBox(DeadLetters):
    """Letters of messages as the broker has them, of which one re-drive ends in `outcome`."""

    def __init__(self, outcome):
        self.outcome = outcome

    def find(self, letter_id):
        return DeadLetter(letter_id, "den", "ann", "t", 1, b"{}", "c", "t", 1) if letter_id == "7:1-0" else None

    def redrive(self, letter, warm):
        return self.outcome


@pytest.mark.parametrize("outcome", ["accepted", "superseded"])
def test_a_worker_is_woken_after_a_message_was_accepted_again(outcome):
    woken: list[bool] = []
    letters = MessageLetters(MessageBox(outcome), lambda _: None, lambda: woken.append(True))
    assert letters.redrive("7:1-0") == outcome
    assert woken == [True]


@pytest.mark.parametrize(("outcome", "refusal"), [("overloaded", OutboxFull), ("unreadable", LetterUnreadable)])
def test_the_operator_is_told_when_a_message_was_not_accepted(outcome, refusal):
    letters = MessageLetters(MessageBox(outcome), lambda _: None, lambda: pytest.fail("nothing to do"))
    with pytest.raises(refusal):
        letters.redrive("7:1-0")
    with pytest.raises(LetterNotFound):
        letters.redrive("7:2-0")
