import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec

from chat.push.vapid import unpadded, unpadded_decode
from chat.push.webpush import PAYLOAD_LIMIT, encrypt
from tests.support.push.subscription import Subscription
from tests.support.push.webpush_service import PAYLOAD_LIMIT as SERVICE_LIMIT

ENDPOINT = "https://push.example/1"
# RFC 8291 section 5 and appendix A: the receiver's keys, and the message that they open
RFC_PRIVATE = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
RFC_AUTH = "BTBZMqHH6r4Tts7J_aSIgg"
RFC_BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBr"
    "u3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


def test_the_stand_in_reads_what_the_rfc_wrote():
    key = ec.derive_private_key(int.from_bytes(unpadded_decode(RFC_PRIVATE), "big"), ec.SECP256R1())
    subscription = Subscription(ENDPOINT, key, unpadded_decode(RFC_AUTH))
    assert subscription.decrypt(unpadded_decode(RFC_BODY)) == b"When I grow up, I want to be a watermelon"


def test_only_the_subscription_reads_a_payload():
    own, other = Subscription(ENDPOINT), Subscription(ENDPOINT)
    body = encrypt(b"hello", own.p256dh, own.auth)
    assert own.decrypt(body) == b"hello"
    with pytest.raises(InvalidTag):
        other.decrypt(body)


def test_no_two_bodies_are_the_same():
    own = Subscription(ENDPOINT)
    assert encrypt(b"hello", own.p256dh, own.auth) != encrypt(b"hello", own.p256dh, own.auth)


def test_the_longest_payload_is_one_record_that_every_service_takes():
    own = Subscription(ENDPOINT)
    body = encrypt(b"x" * PAYLOAD_LIMIT, own.p256dh, own.auth)
    assert len(body) < SERVICE_LIMIT
    assert own.decrypt(body) == b"x" * PAYLOAD_LIMIT


@pytest.mark.parametrize(
    ("p256dh", "auth"),
    [
        ("", ""),
        (None, unpadded(b"short")),
        (None, "!"),
        (unpadded(b"\4" + bytes(64)), None),  # no point of the curve
        (unpadded(bytes(65)), None),
        ("AAAA", None),
    ],
)
def test_keys_that_are_none_are_refused_when_they_are_used(p256dh, auth):
    own = Subscription(ENDPOINT)
    with pytest.raises(ValueError, match=r"."):
        encrypt(b"hello", own.p256dh if p256dh is None else p256dh, own.auth if auth is None else auth)
