"""The command says what is wrong with its arguments and with where it is started."""

from __future__ import annotations

import pytest

from workers import revoke


@pytest.mark.parametrize("arguments", [[], ["a:b"], ["ann", ""], ["x" * 65]])
def test_nothing_is_revoked_when_a_name_is_no_user_id(arguments):
    with pytest.raises(SystemExit) as ended:
        revoke.main(arguments)
    assert ended.value.code == 2


def test_the_setting_is_named_when_redis_is_not_known(monkeypatch, capsys):
    monkeypatch.setenv("AUTH_MODE", "dev")
    monkeypatch.delenv("REDIS_URL", raising=False)
    assert revoke.main(["ann"]) == 2
    assert capsys.readouterr().err.startswith("REDIS_URL is not set")


def test_it_is_told_when_redis_does_not_answer(monkeypatch, capsys):
    monkeypatch.setenv("AUTH_MODE", "dev")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    assert revoke.main(["ann"]) == 2
    assert "did not answer" in capsys.readouterr().err
