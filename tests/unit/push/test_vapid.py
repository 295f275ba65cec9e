import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from chat.push.vapid import LIFE_S, Vapid, public_key, read_key, unpadded, unpadded_decode

# RFC 8291 appendix A: the application server's key pair
PRIVATE = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
PUBLIC = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"
NOW_S = 1_800_000_000


def claims_of(header: str, audience: str) -> dict[str, object]:
    token = header.removeprefix("vapid t=").partition(",")[0]
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), unpadded_decode(PUBLIC))
    return jwt.decode(token, key, ["ES256"], audience=audience, options={"verify_exp": False})


def test_the_public_key_is_the_point_that_belongs_to_the_private_one():
    assert public_key(PRIVATE) == PUBLIC
    assert public_key(PRIVATE + "=") == PUBLIC


def test_the_header_names_the_key_and_the_claims():
    header = Vapid(PRIVATE, "mailto:a@b.c", lambda: NOW_S).authorization("https://push.example")
    assert header.endswith(f", k={PUBLIC}")
    assert claims_of(header, "https://push.example") == {
        "aud": "https://push.example",
        "exp": NOW_S + LIFE_S,
        "sub": "mailto:a@b.c",
    }


def test_each_service_gets_its_own_audience():
    vapid = Vapid(PRIVATE, "mailto:a@b.c")
    for origin in ("https://one.example", "https://two.example", "https://one.example"):
        assert claims_of(vapid.authorization(origin), origin)["aud"] == origin


@pytest.mark.parametrize("text", ["", "AAAA", "!", PUBLIC, unpadded(bytes(32))])
def test_a_key_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        read_key(text)
