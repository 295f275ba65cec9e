"""Which options are sent with a write, for each choice and each sort of server."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from couchbase.durability import ClientDurability, ServerDurability
from couchbase.exceptions import (
    AuthenticationException,
    CouchbaseException,
    DurabilityImpossibleException,
    DurabilityInvalidLevelException,
    FeatureUnavailableException,
    RequestCanceledException,
    UnAmbiguousTimeoutException,
)

from chat.errors import StoreMisconfigured, StoreUnavailable
from chat.store.couchbase.durability import Option, find_durability
from config.durability import StoreDurability

AUTO, MAJORITY = StoreDurability.AUTO, StoreDurability.MAJORITY
PERSIST, NONE = StoreDurability.PERSIST, StoreDurability.NONE
Fault = type[CouchbaseException]


class Server:
    """Answers tries; remembers what they were."""

    def __init__(self, answer: Callable[[Option], Fault | None]) -> None:
        self._answer = answer
        self.tries: list[str] = []

    def __call__(self, option: Option) -> CouchbaseException | None:
        self.tries.append(written(option))
        fault = self._answer(option)
        return fault() if fault else None


def written(option: Option) -> str:
    match option:
        case ServerDurability():
            return option.level.name
        case ClientDurability():
            return f"replicate {int(option.replicate_to)}, persist {int(option.persist_to)}"
        case _:
            return "plain"


def modern(option: Option) -> Fault | None:
    return None


def old(replicas: int, *, disks: int | None = None) -> Callable[[Option], Fault | None]:
    """A server before 6.5, as CouchbaseMock is one: it drops the connection of what it does not know."""

    def answer(option: Option) -> Fault | None:
        if isinstance(option, ServerDurability):
            return RequestCanceledException
        if isinstance(option, ClientDurability):
            nodes = int(option.persist_to) - 1  # the SDK counts the active node as one more
            is_kept = int(option.replicate_to) <= replicas and nodes <= (replicas + 1 if disks is None else disks)
            return None if is_kept else DurabilityImpossibleException
        return None

    return answer


@pytest.mark.parametrize(
    ("choice", "option", "tries"),
    [
        (AUTO, "MAJORITY", ["MAJORITY"]),
        (MAJORITY, "MAJORITY", ["MAJORITY"]),
        (PERSIST, "PERSIST_TO_MAJORITY", ["PERSIST_TO_MAJORITY"]),
        (NONE, "plain", []),
    ],
)
def test_a_server_since_6_5_keeps_the_promise_itself(
    choice: StoreDurability, option: str, tries: list[str]
) -> None:
    server = Server(modern)

    durability = find_durability(choice, server)

    assert (written(durability.option), durability.is_observed, server.tries) == (option, False, tries)


@pytest.mark.parametrize(
    ("choice", "replicas", "option"),
    [
        (AUTO, 0, "plain"),
        (AUTO, 1, "replicate 1, persist 0"),
        (AUTO, 2, "replicate 1, persist 0"),
        (AUTO, 3, "replicate 2, persist 0"),
        (MAJORITY, 1, "replicate 1, persist 0"),
        (PERSIST, 0, "replicate 0, persist 2"),
        (PERSIST, 1, "replicate 0, persist 3"),
        (PERSIST, 2, "replicate 0, persist 3"),
        (PERSIST, 3, "replicate 0, persist 4"),
    ],
)
def test_an_older_server_is_asked_which_nodes_have_it(choice: StoreDurability, replicas: int, option: str) -> None:
    durability = find_durability(choice, Server(old(replicas)))

    assert (written(durability.option), durability.is_observed) == (option, option != "plain")


def test_a_connection_lost_once_is_no_sign_of_an_older_server() -> None:
    lost = [RequestCanceledException]
    server = Server(lambda option: lost.pop() if lost else None)

    assert written(find_durability(AUTO, server).option) == "MAJORITY"
    assert server.tries == ["MAJORITY", "plain", "MAJORITY"]


def test_a_server_that_says_what_it_lacks_is_an_older_one() -> None:
    def answer(option: Option) -> Fault | None:
        return FeatureUnavailableException if isinstance(option, ServerDurability) else old(1)(option)

    assert written(find_durability(AUTO, Server(answer)).option) == "replicate 1, persist 0"


@pytest.mark.parametrize(
    ("choice", "answer", "fault"),
    [
        (MAJORITY, old(0), "majority can't be kept, the bucket has no replicas; add nodes, lower"),
        (PERSIST, old(1, disks=0), "persist can't be kept, the disks do not confirm"),
        (AUTO, lambda _: DurabilityImpossibleException, "auto can't be kept, fewer nodes hold copies than"),
        (PERSIST, lambda _: DurabilityInvalidLevelException, "persist can't be kept, fewer nodes"),
        (AUTO, lambda _: AuthenticationException, "the user or the password is wrong"),
    ],
)
def test_a_promise_that_cannot_be_kept_is_refused(
    choice: StoreDurability, answer: Callable[[Option], Fault | None], fault: str
) -> None:
    with pytest.raises(StoreMisconfigured) as caught:
        find_durability(choice, Server(answer))
    assert caught.value.fault.startswith(fault)


@pytest.mark.parametrize("silent", ["MAJORITY", "plain", "replicate"])
def test_nothing_is_found_out_from_a_server_that_does_not_answer(silent: str) -> None:
    def answer(option: Option) -> Fault | None:
        return UnAmbiguousTimeoutException if written(option).startswith(silent) else old(1)(option)

    with pytest.raises(StoreUnavailable) as caught:
        find_durability(AUTO, Server(answer))
    assert not isinstance(caught.value, StoreMisconfigured)
