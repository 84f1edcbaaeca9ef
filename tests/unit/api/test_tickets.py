import pytest

from yaoki.api.tickets import Tickets
from yaoki.errors import ResourceRateLimitedError, SecurityUnauthenticatedError
from yaoki.testing import FakeClock


def test_a_ticket_names_its_owner_once() -> None:
    tickets = Tickets(30.0)
    ada, bob = tickets.issue("ada"), tickets.issue("bob")
    assert tickets.redeem(bob) == "bob"
    assert tickets.redeem(ada) == "ada"
    for used in (ada, bob, "", "made up"):
        with pytest.raises(SecurityUnauthenticatedError):
            tickets.redeem(used)


def test_a_ticket_expires() -> None:
    clock = FakeClock()
    tickets = Tickets(30.0, clock)
    early, late = tickets.issue("ada"), tickets.issue("bob")
    clock.move(29.9)
    assert tickets.redeem(late) == "bob"
    clock.move(0.1)
    with pytest.raises(SecurityUnauthenticatedError):
        tickets.redeem(early)


def test_nobody_hoards_tickets() -> None:
    clock = FakeClock()
    tickets = Tickets(30.0, clock)
    issued = [tickets.issue("ada") for _ in range(100)]
    with pytest.raises(ResourceRateLimitedError) as refused:
        tickets.issue("ada")
    assert refused.value.retry_after_s == 30.0
    assert tickets.redeem(tickets.issue("bob")) == "bob"
    tickets.redeem(issued[50])
    tickets.issue("ada")
    clock.move(30.0)
    tickets.issue("ada")
