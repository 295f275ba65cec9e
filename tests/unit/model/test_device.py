from chat.model.device import DeviceKind, device_id
from chat.model.ids import is_id


def test_a_target_is_the_same_device_when_it_is_registered_again():
    assert device_id(DeviceKind.FCM, "token") == device_id(DeviceKind.FCM, "token")


def test_targets_are_different_devices_when_kind_or_address_differ():
    ids = {device_id(kind, address) for kind in DeviceKind for address in ("one", "two")}
    assert len(ids) == 6


def test_a_device_id_is_an_id_of_ours_when_the_address_is_not():
    assert is_id(device_id(DeviceKind.WEBPUSH, "https://push.example/a?b=c#d"))
