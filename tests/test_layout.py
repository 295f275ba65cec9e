"""House rules that no tool holds."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
from pathlib import Path

import pytest

from chat.broker import keys
from config import push, settings

ROOT = Path(__file__).parents[1]
PACKAGES = ("chat", "config", "tasks", "workers")
MODULES = sorted(path.relative_to(ROOT) for each in PACKAGES for path in (ROOT / each).rglob("*.py"))
LUA = sorted((ROOT / "chat/broker/lua").glob("*.lua"))
APP_LINES = 60

# Modules that no test file names, and why that is enough.
UNNAMED = {
    "chat.broker.counters": "read by the tests of the running stack, through /stats",
    "chat.bootstrap": "puts adapters together: every test that starts a server runs it",
    "chat.push.base": "types without behaviour: every test of a provider names some of them",
    "chat.errors": "types without behaviour: every test of a refusal names one of them",
    "chat.gateway.lobby": "runs under every test that connects to a server process",
    "chat.gateway.routes": "runs under every test that asks a server process",
    **{
        f"chat.gateway.assembly.{each}": "puts a server together: every test that starts one runs it"
        for each in (
            *("accepting", "gate", "ground", "presence", "push", "reading", "rooms", "stored", "waking", "web"),
        )
    },
    "chat.gateway.server": "starts and stops a server: every test that starts one runs it",
    "chat.gateway.stats": "read by the tests of the running stack",
    "workers.checks": "runs under every test that starts the stack",
    "workers.orphans": "runs under every test that starts the stack",
    "workers.redis_probe": "runs under every test that starts the stack",
    "workers.self_heal": "runs under every test that starts a worker",
}

# Keys that no function makes for an operator's eyes.
INTERNAL_KEY_FUNCTIONS = {"shard_of": "a number", "tag": "a part of the others"}


def text_of(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def name_of(module: Path) -> str:
    return ".".join(module.with_suffix("").parts).removesuffix(".__init__")


def modules_named_in(text: str) -> set[str]:
    """Return every dotted name, and what is imported from it in the same line."""
    dotted = set(re.findall(r"\b\w+(?:\.\w+)+\b", text))
    imports = re.findall(r"from ([\w.]+) import ([^\n]*)", text)
    return dotted | {f"{parent}.{name}" for parent, names in imports for name in re.findall(r"\w+", names)}


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("no git repository here")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_one_is_told_what_a_module_is_for_when_one_opens_it(module):
    docstring = ast.get_docstring(ast.parse(text_of(module)))
    assert docstring
    assert re.search(r"[.:]$", docstring.splitlines()[0]) or len(docstring.splitlines()) > 1


def test_the_entry_point_stays_short_when_the_server_grows():
    assert len(text_of(Path("app.py")).splitlines()) < APP_LINES


@pytest.mark.parametrize("path", LUA, ids=lambda path: path.stem)
def test_keys_arguments_and_answers_are_told_when_one_opens_a_script(path):
    source = text_of(path)
    header = re.match(r"(--.*\n)+", source)
    assert header
    assert re.search(r"^-- KEYS  1 \w", header[0], re.M)
    assert re.search(r"^-- Returns ", header[0], re.M)
    assert ("ARGV[" in source) == bool(re.search(r"^-- ARGV  1 \w", header[0], re.M))


@pytest.mark.parametrize("path", LUA, ids=lambda path: path.stem)
def test_a_script_has_a_wrapper_when_it_is_there(path):
    loads = f'scripts.load("{path.stem}")'
    assert any(loads in text_of(module) for module in MODULES)


def test_every_script_is_there_when_a_wrapper_loads_it():
    loaded = {name for module in MODULES for name in re.findall(r'scripts\.load\("(\w+)"\)', text_of(module))}
    assert loaded == {path.stem for path in LUA}


def test_every_module_is_named_by_a_test_when_it_is_not_excused():
    texts = (path.read_text() for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__))
    named: set[str] = set().union(*map(modules_named_in, texts))
    unnamed = set()
    for module in MODULES:
        name = name_of(module)
        mirror = ROOT / "tests/unit" / module.relative_to("chat" if module.parts[0] == "chat" else ".")
        is_mirrored = mirror.with_name(f"test_{module.name}").exists()
        if module.name != "__init__.py" and not is_mirrored and name not in named:
            unnamed.add(name)
    assert unnamed - UNNAMED.keys() == set()
    assert UNNAMED.keys() <= {name_of(module) for module in MODULES}


def key_shapes() -> list[str]:
    """Return each key and channel as docs/redis.md writes it."""

    def made(parameter: str) -> object:  # `room_id` is ROOM, `shard` 7
        return 7 if parameter == "shard" else parameter.removesuffix("_id").upper()

    shapes = []
    for name, function in inspect.getmembers(keys, inspect.isroutine):
        if function.__module__ == keys.__name__ and name not in INTERNAL_KEY_FUNCTIONS:
            key = function(*(made(parameter) for parameter in inspect.signature(function).parameters))
            shapes.append(re.sub(r"\{\d+\}", "{7}", key))
    constants = [value for name, value in vars(keys).items() if name.isupper() and isinstance(value, str)]
    return shapes + [value for value in constants if value.startswith("chat:")]


@pytest.mark.parametrize("shape", key_shapes())
def test_an_operator_finds_a_key_in_the_docs_when_it_is_in_redis(shape):
    assert f"`{shape}" in text_of(Path("docs/redis.md"))


def setting_names() -> list[str]:
    """Return every environment variable that config/settings.py and config/push.py read."""
    return sorted(
        {
            name
            for name in re.findall(r'"([A-Z][A-Z0-9_]{3,})"', inspect.getsource(settings) + inspect.getsource(push))
            if name not in settings.LOG_LEVELS
        }
    )


@pytest.mark.parametrize("name", setting_names())
def test_an_operator_finds_a_setting_in_the_docs_when_it_is_read(name):
    assert f"| `{name}` |" in text_of(Path("docs/settings.md"))


def test_nothing_is_documented_when_it_is_not_read():
    documented = re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \|", text_of(Path("docs/settings.md")), re.M)
    sources = "\n".join(text_of(module) for module in MODULES)
    assert [name for name in documented if f'"{name}"' not in sources] == []


def test_no_path_of_a_developers_machine_is_in_the_repository_when_it_is_shared():
    places = re.compile(rb"(?<![\w.])/(?:home|Users)/[a-z]\w*/|/(?:work|tmp)/(?:main|shared|lab)\b|[A-Z]:\\\\Users")
    found = []
    for path in tracked():
        if path == Path(__file__) or "node_modules" in path.parts:
            continue
        found += [f"{path.relative_to(ROOT)}: {hit.decode()}" for hit in places.findall(path.read_bytes())]
    assert found == []
