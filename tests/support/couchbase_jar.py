"""CouchbaseMock's jar: found in this user's caches, otherwise fetched by Maven, once for all who ask."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

GROUP, NAME, VERSION = "com.couchbase.mock", "CouchbaseMock", "1.5.27"
SHA256 = "69aad2c1b3e538120bc89425682f27facfb219094645906a63c411b2c46a8b9c"
FILE = f"{NAME}-{VERSION}.jar"
FETCH_TIMEOUT_S = 300


class JarMissing(Exception):
    """The mock can't run here; the text says what is missing and how to get it."""


def java() -> str:
    """Return the command that runs a jar; raises JarMissing."""
    found = shutil.which("java")
    if found is None:
        raise JarMissing("CouchbaseMock needs Java: apt-get install default-jre-headless maven")
    return found


def jar() -> Path:
    """Return the jar's place, having fetched it where no cache had it; raises JarMissing."""
    cache = _cache() / FILE
    if found := _first_sound(cache):
        return found
    with _alone(cache.parent):
        return _first_sound(cache) or _fetch(cache)


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "chat-tests"


def _first_sound(cache: Path) -> Path | None:
    repository = Path.home() / ".m2/repository" / GROUP.replace(".", "/") / NAME / VERSION / FILE
    return next((place for place in (cache, repository) if place.is_file() and _is_sound(place)), None)


def _is_sound(file: Path) -> bool:
    return hashlib.sha256(file.read_bytes()).hexdigest() == SHA256


def _fetch(cache: Path) -> Path:
    maven = shutil.which("mvn")
    if maven is None:
        raise JarMissing(f"{FILE} is in no cache and there is no Maven to fetch it: apt-get install maven")
    with tempfile.TemporaryDirectory(dir=cache.parent) as folder:
        artifact = [f"-Dartifact={GROUP}:{NAME}:{VERSION}", f"-DoutputDirectory={folder}"]
        fetched = subprocess.run(
            [maven, "-q", "-B", "dependency:copy", *artifact],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=FETCH_TIMEOUT_S,
            check=False,
        )
        made = Path(folder) / FILE
        if fetched.returncode or not made.is_file():
            raise JarMissing(f"Maven could not fetch {FILE}: {(fetched.stdout + fetched.stderr)[-800:].strip()}")
        if not _is_sound(made):
            raise JarMissing(f"Maven fetched another {FILE} than this suite was written with")
        made.replace(cache)  # whole or not at all, for those who look meanwhile
    return cache


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: test processes start together and one of them fetches for all."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
