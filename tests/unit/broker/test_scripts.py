from __future__ import annotations

import re
from hashlib import sha1
from pathlib import Path

import pytest

import chat.broker
from chat.broker import scripts

FOLDER = Path(chat.broker.__file__).parent / "lua"
NAMES = sorted(each.stem for each in FOLDER.glob("*.lua"))


@pytest.mark.parametrize("name", NAMES)
def test_a_script_is_its_file_when_it_is_loaded(name):
    script = scripts.load(name)
    source = (FOLDER / f"{name}.lua").read_bytes()
    assert script == scripts.Script(name, source, sha1(source).hexdigest().encode())
    assert scripts.load(name) is script


def test_the_name_is_told_when_there_is_no_such_script():
    with pytest.raises(FileNotFoundError, match="no_such_step"):
        scripts.load("no_such_step")


@pytest.mark.parametrize("name", NAMES)
def test_the_header_tells_keys_and_answers_when_a_script_is_read(name):
    header = re.match(rb"(--.*\n)+", scripts.load(name).source)
    assert header is not None
    assert b"KEYS  1 " in header[0]
    assert b"Returns " in header[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_script_names_no_key_of_its_own_when_it_runs(name):
    code = re.sub(rb"--.*", b"", scripts.load(name).source)
    assert b"'chat:" not in code
    assert b'"chat:' not in code


@pytest.mark.parametrize("name", NAMES)
def test_a_file_names_a_verb_and_a_noun_when_it_is_a_script(name):
    assert re.fullmatch(r"[a-z]+_[a-z]+", name)
