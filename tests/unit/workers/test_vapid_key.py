import stat
from pathlib import Path

import pytest

from config.push_files import check_vapid_key
from workers.kept_secret import agreed
from workers.vapid_key import SHARED_KEY, is_key, make_key, vapid_key


def test_a_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path):
    key = vapid_key(tmp_path, None)
    assert check_vapid_key("PUSH_VAPID_KEY", key) == key
    assert vapid_key(tmp_path, None) == key
    assert stat.S_IMODE((tmp_path / "vapid-key").stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["", "short", "\N{SNOWMAN}", "A" * 43])
def test_a_key_that_is_none_is_made_anew(tmp_path: Path, content: str):
    (tmp_path / "vapid-key").write_text(content)
    key = vapid_key(tmp_path, None)
    assert is_key(key)
    assert (tmp_path / "vapid-key").read_text().strip() == key


def test_no_two_keys_are_the_same():
    assert make_key() != make_key()


def test_stacks_on_one_redis_have_one_key_and_keep_it(tmp_path: Path, redis_url: str):
    places = [tmp_path / "one", tmp_path / "two"]
    for place in places:
        place.mkdir()
    first, second = (vapid_key(place, redis_url) for place in places)
    assert first == second == agreed(redis_url, SHARED_KEY, "another")
    assert vapid_key(places[1], None) == first  # though Redis should lose it
