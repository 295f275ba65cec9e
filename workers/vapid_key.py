"""The key that Web Push messages are signed with, where none is set: browsers subscribe to it, so it must last.

`python -m workers.vapid_key` prints a new one for PUSH_VAPID_KEY.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from chat.push.vapid import KEY_LENGTH, read_key, unpadded
from workers.kept_secret import agreed, keep, kept

SHARED_KEY = "chat:vapid_key"  # no TTL: a subscription is bound to the key that it was made with


def vapid_key(data_dir: Path, shared_redis_url: str | None) -> str:
    """Return the key of this folder, or the one that the stacks on a shared Redis agree on."""
    file = data_dir / "vapid-key"
    own = kept(file, is_key, make_key)
    if shared_redis_url is None:
        return own
    shared = agreed(shared_redis_url, SHARED_KEY, own)
    if shared != own:
        keep(file, shared)  # or the stacks would agree on another one after Redis had lost it
    return shared


def make_key() -> str:
    """Return a new private key as PUSH_VAPID_KEY has it."""
    key = ec.generate_private_key(ec.SECP256R1())
    return unpadded(key.private_numbers().private_value.to_bytes(KEY_LENGTH, "big"))


def is_key(text: str) -> bool:
    """Return whether a text is one."""
    try:
        read_key(text)
    except ValueError:
        return False
    return True


if __name__ == "__main__":
    print(make_key())
