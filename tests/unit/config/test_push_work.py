from pathlib import Path

import pytest

from config.env import Env, SettingError
from config.push import read_push
from config.push_work import configured_kinds, read_push_work

DOCS = Path(__file__).resolve().parents[3] / "docs" / "settings.md"
PLACES = {
    "PUSH_SECOND_LOOK_S": "second_look_s",
    "PUSH_SPACING_S": "spacing_s",
    "PUSH_BACKOFF_S": "backoff_s",
    "PUSH_CIRCUIT_S": "circuit_s",
    "PUSH_LEASE_S": "lease_s",
    "PUSH_THREADS": "threads",
}


@pytest.mark.parametrize("name", PLACES)
def test_a_setting_arrives_when_it_is_set(name):
    assert getattr(read_push_work(Env({name: "7"})), PLACES[name]) == 7


@pytest.mark.parametrize("name", PLACES)
def test_a_setting_is_refused_by_its_name_when_it_is_no_number(name):
    with pytest.raises(SettingError, match=name):
        read_push_work(Env({name: "often"}))


@pytest.mark.parametrize("name", PLACES)
def test_an_operator_finds_a_setting_in_the_docs_when_it_is_read(name):
    assert f"| `{name}` |" in DOCS.read_text()


def test_no_kind_is_configured_when_nothing_is_set():
    assert configured_kinds(read_push(Env({}))) == ()
