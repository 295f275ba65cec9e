import pytest

from chat.push.endpoints import ENDPOINT_LIMIT, Endpoint, check_endpoint, is_listed, read_address, read_endpoint
from config.push import WEBPUSH_HOSTS


@pytest.mark.parametrize(
    "url",
    [
        "https://fcm.googleapis.com/fcm/send/cITe60iQR1w:APA91bEWLv9I-wSyW_N8",
        "https://fcm.googleapis.com/wp/cITe60iQR1w:APA91bEWLv9I-wSyW_N8",
        "https://updates.push.services.mozilla.com/wpush/v2/gAAAAABnpdbul-nTL_",
        "https://wns2-par02p.notify.windows.com/w/?token=BQYAAAB%2b%2fZ%3d%3d",
        "https://web.push.apple.com/QGZ0dkc0-bsoMQ_1",
        "https://WEB.push.apple.com:443/Q",
    ],
)
def test_the_endpoints_of_the_large_services_are_taken(url):
    assert check_endpoint(url, WEBPUSH_HOSTS) is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://web.push.apple.com/Q",
        "ftp://web.push.apple.com/Q",
        "//web.push.apple.com/Q",
        "https:web.push.apple.com/Q",
        "https://user@web.push.apple.com/Q",
        "https://user:secret@web.push.apple.com/Q",
        "https://web.push.apple.com@evil.example/Q",
        "https://evil.example\\@web.push.apple.com/Q",
        "https://evil.example#@web.push.apple.com/Q",
        "https://evil.example/@web.push.apple.com/Q",
        "https://web.push.apple.com/Q#fragment",
        "https://web.push.apple.com/Q Q",
        "https://web.push.apple.com/Q\r\nHost: evil.example",
        "https://web.push.apple.com/Q\n",
        " https://web.push.apple.com/Q",
        "https://web.push.apple.com./Q",
        "https://web.push.apple.com:8443/Q",
        "https://web.push.apple.com:/Q",
        "https://web.push.apple.com:0/Q",
        "https://web.push.apple.com:99999/Q",
        "https://web.push.apple.com.evil.example/Q",
        "https://evilweb.push.apple.com/Q",
        "https://notify.windows.com/Q",
        "https://evilnotify.windows.com/Q",
        "https://127.0.0.1/Q",
        "https://[::1]/Q",
        "https://2130706433/Q",
        "https://0x7f.1/Q",
        "https://localhost/Q",
        "https://169.254.169.254/latest/meta-data",
        "https://wéb.push.apple.com/Q",
        "https://web.push.apple.com/\N{CYRILLIC SMALL LETTER A}",
        "https://fcm.googleapis.com/v1/projects/x/messages:send",
        "https://fcm.googleapis.com/fcm/send/../../v1/projects/x/messages:send",
        "https://fcm.googleapis.com/fcm/send/%2e%2e/%2E%2e/v1/x",
        "https://fcm.googleapis.com/?/fcm/send/",
        "https://web.push.apple.com/" + "Q" * ENDPOINT_LIMIT,
    ],
)
def test_everything_else_is_refused(url):
    assert check_endpoint(url, WEBPUSH_HOSTS)


def test_an_own_service_may_have_a_port_when_it_is_trusted():
    url = "https://push.lan:8443/s/1?a=b"
    assert check_endpoint(url, ["push.lan"]) == "names a port of its own"
    assert read_endpoint(url, ["push.lan"], ["push.lan"]) == Endpoint("push.lan", 8443, "/s/1?a=b")


def test_trust_alone_makes_no_push_service():
    assert check_endpoint("https://push.lan/s/1", WEBPUSH_HOSTS, ["push.lan"])


@pytest.mark.parametrize(
    ("host", "is_in"),
    [("a.b", True), ("c.d", False), ("x.c.d", True), ("y.x.c.d", True), ("xc.d", False)],
)
def test_a_pattern_stands_for_names_before_it(host, is_in):
    assert is_listed(host, ["A.b", "*.C.d"]) is is_in


def test_an_origin_is_without_the_port_of_the_scheme():
    assert Endpoint("a.b", 443, "/").origin == "https://a.b"
    assert Endpoint("a.b", 444, "/").origin == "https://a.b:444"


def test_an_address_has_a_host_a_port_and_a_target():
    assert read_address("https://A.b") == Endpoint("a.b", 443, "/")
    assert read_address("https://a.b:444/x?y") == Endpoint("a.b", 444, "/x?y")
    assert read_address("https://a.b:65536") is None
