"""Every listener gets each event once and in order, whatever pub/sub does with the publications."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.hub import Applied, Hub, Room
from chat.model.publication import Confirmed, Origin, RoomEvents
from chat.model.seen import SeenTold

EPOCH = "e1"


@dataclass(eq=False)
class Ear:
    """A connection: its writer is the list of what it was sent."""

    user_id: str
    writer: list[bytes] = field(default_factory=list)
    rooms: set[str] = field(default_factory=set)

    def told(self) -> list[dict[str, Any]]:
        return [json.loads(line) for chunk in self.writer for line in chunk.splitlines()]

    def offsets(self) -> list[int]:
        return [each["offset"] for each in self.told() if "offset" in each]


def send(writers, data, droppable=False):
    for writer in writers:
        writer.append(data)


def new_hub() -> Hub:
    return Hub(send, lambda frame: frame + b"\n")


def room_of(hub: Hub, *ears: Ear, epoch: str = EPOCH) -> Room:
    room = hub.rooms["r"] = Room("r")
    room.epoch, room.is_ready, room.is_syncing = epoch, True, False
    for ear in ears:
        hub.add_user(ear)
        room.add(ear)
    return room


def new(first_offset: int, *senders: str, first_seq: int | None = None, epoch: str = EPOCH) -> RoomEvents:
    first_seq = first_seq or first_offset
    origins = [Origin(first_seq + i, sender, f"t{first_seq + i}", 0, epoch) for i, sender in enumerate(senders)]
    frames = [json.dumps({"offset": first_offset + i, "seq": first_seq + i}).encode() for i in range(len(senders))]
    return RoomEvents("new", "r", epoch, first_offset, origins, frames)


def retracted(offset: int, seq: int, sender: str = "ann", epoch: str = EPOCH, of: str = EPOCH) -> RoomEvents:
    frame = json.dumps({"offset": offset, "retracted": seq}).encode()
    return RoomEvents("retracted", "r", epoch, offset, [Origin(seq, sender, "", 0, of)], [frame])


# One log of events, cut into publications in two ways: what is live and what a replay reads may differ.
KINDS = st.lists(st.sampled_from(["new", "new", "new", "retracted"]), min_size=1, max_size=25)


def cut(kinds: list[str], breaks: set[int]) -> list[RoomEvents]:
    """Return the events 1… as publications: new ones together until a break, a retraction alone."""
    found: list[RoomEvents] = []
    seq, run = 0, 0
    for offset, kind in enumerate(kinds, 1):
        if kind == "retracted" and seq:
            found.append(retracted(offset, seq, "zoe"))
            run = 0
            continue
        seq += 1
        if run and offset not in breaks:
            last = found.pop()
            found.append(new(last.first_offset, *["zoe"] * (run + 1), first_seq=last.origins[0].seq))
            run += 1
        else:
            found.append(new(offset, "zoe", first_seq=seq))
            run = 1
    return found


@given(
    kinds=KINDS,
    live_breaks=st.sets(st.integers(1, 25)),
    log_breaks=st.sets(st.integers(1, 25)),
    data=st.data(),
)
def test_each_event_comes_once_and_in_order_when_publications_are_doubled_lost_and_overlapping(
    kinds, live_breaks, log_breaks, data
):
    hub, early = new_hub(), Ear("ann")
    room = room_of(hub, early)
    live, log = cut(kinds, live_breaks), cut(kinds, log_breaks)
    joined = {early: 0}

    def replay() -> None:
        for events in log:
            if events.first_offset + len(events.frames) - 1 > room.offset:
                assert hub.apply(room, events) is Applied.DELIVERED

    steps = st.sampled_from(["live", "join", "flush", "replay"])
    for step in data.draw(st.lists(steps, max_size=40)):
        if step == "live":
            events = data.draw(st.sampled_from(live + log))
            before = room.offset
            applied = hub.apply(room, events)
            assert (applied is Applied.GAP) == (events.first_offset > before + 1)
        elif step == "replay":
            replay()
        elif step == "flush":
            hub.flush()
        else:
            hub.flush_room(room)
            ear = Ear(f"user{len(joined)}")
            room.add(ear)
            joined[ear] = room.offset
    replay()
    hub.flush()
    for ear, since in joined.items():
        assert ear.offsets() == list(range(since + 1, len(kinds) + 1))


def test_nothing_is_sent_before_the_turns_end_and_then_as_one_write_when_much_was_delivered():
    hub, ear = new_hub(), Ear("ann")
    room = room_of(hub, ear)
    hub.apply(room, new(1, "bob"))
    hub.apply(room, new(2, "bob", "cy"))
    assert ear.writer == []
    hub.flush()
    assert [len(chunk.splitlines()) for chunk in ear.writer] == [3]
    assert hub.deliveries == 3
    hub.flush()
    assert len(ear.writer) == 1


def test_the_room_stands_where_it_was_when_a_publication_leaves_a_gap():
    hub, ear = new_hub(), Ear("ann")
    room = room_of(hub, ear)
    assert hub.apply(room, new(2, "bob")) is Applied.GAP
    hub.flush()
    assert (room.offset, room.last_seq, ear.writer) == (0, 0, [])


def test_the_room_stands_where_it_was_when_a_publication_is_of_another_epoch():
    hub, ear = new_hub(), Ear("ann")
    room = room_of(hub, ear)
    assert hub.apply(room, new(1, "bob", epoch="e2")) is Applied.FOREIGN
    hub.flush()
    assert (room.offset, ear.writer) == (0, [])


def test_only_the_others_hear_of_a_retraction_when_a_message_is_given_up():
    hub, ann, tab, bob = new_hub(), Ear("ann"), Ear("ann"), Ear("bob")
    room = room_of(hub, ann, tab, bob)
    hub.apply(room, new(1, "ann"))
    hub.apply(room, retracted(2, 1))
    hub.flush()
    assert (ann.offsets(), tab.offsets(), bob.offsets()) == ([1], [1], [1, 2])
    assert (room.offset, room.last_seq) == (2, 1)


def test_a_message_of_another_epoch_waits_on_when_its_number_is_retracted():
    hub = new_hub()
    room = room_of(hub, Ear("bob"), epoch="e2")
    hub.apply(room, new(1, "zoe", first_seq=7, epoch="e2"))
    hub.apply(room, retracted(2, 7, "zoe", epoch="e2", of="e1"))
    assert len(hub.unconfirmed) == 1


def test_everyone_hears_of_the_others_messages_when_a_batch_is_confirmed():
    hub, ann, tab, bob, cy = new_hub(), Ear("ann"), Ear("ann"), Ear("bob"), Ear("cy")
    room = room_of(hub, ann, tab, bob, cy)
    hub.apply(room, new(1, "ann", "bob", "ann"))
    hub.confirm(room, Confirmed(EPOCH, [(1, "ann"), (2, "bob"), (3, "ann")]))
    hub.flush()
    seqs = {ear: [each["data"]["seqs"] for each in ear.told() if "event" in each] for ear in (ann, tab, bob, cy)}
    assert seqs == {ann: [[2]], tab: [[2]], bob: [[1, 3]], cy: [[1, 2, 3]]}
    assert [ear.told()[0].get("offset") for ear in (ann, bob, cy)] == [1, 1, 1]  # shown before confirmed


def test_a_sender_hears_nothing_when_all_confirmed_messages_are_its_own():
    hub, ann = new_hub(), Ear("ann")
    room = room_of(hub, ann)
    hub.apply(room, new(1, "ann"))
    hub.flush()
    hub.confirm(room, Confirmed(EPOCH, [(1, "ann")]))
    assert ann.offsets() == [1]
    assert len(ann.told()) == 1


def test_nobody_hears_of_a_confirmation_when_it_is_of_another_epoch():
    hub, bob = new_hub(), Ear("bob")
    room = room_of(hub, bob)
    assert hub.confirm(room, Confirmed("e0", [(1, "ann")])) == []
    assert bob.writer == []


def test_what_waited_is_returned_when_it_is_confirmed():
    hub = new_hub()
    room = room_of(hub, Ear("bob"))
    hub.apply(room, new(1, "ann", "ann"))
    told = hub.confirm(room, Confirmed(EPOCH, [(2, "ann"), (9, "ann")]))
    assert [each.seq for each in told] == [2]
    assert len(hub.unconfirmed) == 1


def test_a_joiner_keeps_what_is_delivered_when_its_replay_is_being_read():
    hub, bob, joiner = new_hub(), Ear("bob"), Ear("cy")
    room = room_of(hub, bob)
    hub.apply(room, new(1, "ann"))
    kept: list[tuple[int, bytes]] = []
    room.joining[joiner] = kept
    hub.apply(room, new(1, "ann", "ann"))
    hub.confirm(room, Confirmed(EPOCH, [(1, "ann")]))
    hub.apply(room, retracted(3, 2))
    hub.flush()
    assert joiner.writer == []
    assert [offset for offset, _ in kept] == [2, 0, 3]
    assert [json.loads(frame).get("event") for _, frame in kept] == [None, "messages-confirmed", None]


def test_a_joining_sender_does_not_keep_its_own_retraction_when_it_comes():
    hub, joiner = new_hub(), Ear("ann")
    room = room_of(hub)
    hub.apply(room, new(1, "ann"))
    kept: list[tuple[int, bytes]] = []
    room.joining[joiner] = kept
    hub.apply(room, retracted(2, 1))
    assert kept == []


def test_every_connection_of_a_user_is_told_in_one_write_when_frames_are_for_the_user():
    hub, ann, tab, bob = new_hub(), Ear("ann"), Ear("ann"), Ear("bob")
    assert [hub.add_user(each) for each in (ann, tab, bob)] == [True, False, True]
    hub.tell_user("ann", [b"1", b"2"])
    assert (ann.writer, tab.writer, bob.writer) == ([b"1\n2\n"], [b"1\n2\n"], [])
    hub.tell_user("nobody", [b"3"])


@pytest.mark.parametrize("count", [1, 3])
def test_a_user_is_gone_when_the_last_connection_is(count):
    hub, ears = new_hub(), [Ear("ann") for _ in range(count)]
    for ear in ears:
        hub.add_user(ear)
    for ear in ears:
        assert hub.has_user("ann")
        hub.remove_user(ear)
    assert not hub.has_user("ann")
    hub.remove_user(ears[0])
    assert hub.add_user(ears[0])


@pytest.mark.parametrize(("whom", "left"), [("-", "ann bob"), ("bob", "ann"), ("*", ""), ("eve", "ann bob")])
def test_those_who_are_cut_off_are_out_of_the_room_after_what_was_delivered_before(whom, left):
    hub, ears = new_hub(), [Ear("ann", rooms={"r"}), Ear("bob", rooms={"r"})]
    room = room_of(hub, *ears)
    waiting = Ear("bob")
    room.joining[waiting] = []
    origin = Origin(0, "", "", 0, EPOCH)
    hub.apply(room, RoomEvents("event", room.room_id, EPOCH, 1, [origin], [b'{"offset":1}'], whom))
    hub.apply(room, RoomEvents("event", room.room_id, EPOCH, 2, [origin], [b'{"offset":2}'], "-"))
    hub.flush()
    for each in ears:
        is_left = each.user_id in left.split()
        assert each.offsets() == ([1, 2] if is_left else [1])
        assert (room.room_id in each.rooms) == is_left
    assert (waiting in room.joining) == ("bob" in left.split())


SEEN = SeenTold("ann", 0, 2, 1_700_000_000_000, [(1, EPOCH)])


def test_everyone_hears_what_was_seen_after_what_was_delivered_before():
    hub, ann, bob, cy = new_hub(), Ear("ann"), Ear("bob"), Ear("cy")
    room = room_of(hub, ann, bob)
    room.joining[cy] = []
    hub.apply(room, new(1, "bob", "bob"))
    hub.pass_on(room, SEEN)
    for ear in (ann, bob):
        *before, seen = ear.told()
        assert [each["offset"] for each in before] == [1, 2]
        assert (seen["event"], seen["data"]["messageIds"]) == ("messages-seen", ["r.2.e1", "r.1.e1"])
    assert [(offset, json.loads(frame).get("event")) for offset, frame in room.joining[cy]] == [
        (1, None),
        (2, None),
        (0, "messages-seen"),
    ]


def test_no_frame_is_made_of_what_was_seen_when_nobody_is_in_the_room(monkeypatch):
    made: list[str] = []

    def frame(_seen, room_id):
        made.append(room_id)
        return b"{}"

    monkeypatch.setattr(SeenTold, "frame", frame)
    hub, ann, bob = new_hub(), Ear("ann"), Ear("bob")
    room = room_of(hub, ann, bob)
    hub.pass_on(room, SEEN)
    assert made == ["r"]  # once for both
    for ear in (ann, bob):
        room.remove(ear)
    hub.pass_on(room, SEEN)
    assert made == ["r"]
