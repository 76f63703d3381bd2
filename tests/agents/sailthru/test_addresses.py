"""The book of present addresses."""

import pytest

from agents.sailthru.addresses import Addresses
from agents.sailthru.identity import EmailChange, Whom

A, B, C = "a@shop.example", "b@shop.example", "c@shop.example"
TO_B, TO_C, BACK = EmailChange(A, B), EmailChange(B, C), EmailChange(B, A)


def book(*changes: EmailChange) -> Addresses:
    addresses = Addresses(users=100)
    for change in changes:
        addresses.learn("user", change)
    return addresses


@pytest.mark.parametrize(
    ("changes", "present"),
    [
        ((), {A: A, B: B}),
        ((TO_B,), {A: B, B: B, C: C}),
        ((TO_B, TO_C), {A: C, B: C, C: C}),
        ((TO_B, BACK), {A: A, B: A}),
        ((TO_B, BACK, TO_B), {A: B, B: B}),
        ((TO_B, TO_C, EmailChange(C, A)), {A: A, B: A, C: A}),
    ],
)
def test_former_addresses_lead_to_the_present_one(
    changes: tuple[EmailChange, ...], present: dict[str, str]
) -> None:
    addresses = book(*changes)
    assert {email: addresses.present("user", email) for email in present} == present


def test_another_user_with_the_same_old_address_is_not_affected() -> None:
    assert book(TO_B).present("another", A) == A


@pytest.mark.parametrize(
    ("coming", "email", "present"),
    [
        ([TO_B], B, A),
        ([TO_B], A, A),
        ([TO_B, TO_C], C, A),
        ([TO_B, BACK], A, A),
        ([BACK], A, B),
        ([TO_C], C, B),
        ([TO_C], A, A),
    ],
)
def test_before_a_change_the_profile_stands_under_the_old_address(
    coming: list[EmailChange], email: str, present: str
) -> None:
    assert book().present("user", email, coming) == present


@pytest.mark.parametrize(
    ("known", "change", "carried_out"),
    [
        ((), TO_B, Whom(A, B)),
        ((TO_B,), TO_B, Whom(B)),
        ((TO_B, TO_C), TO_B, Whom(C)),
        ((TO_B, TO_C), TO_C, Whom(C)),
        ((TO_B,), TO_C, Whom(B, C)),
        ((TO_B,), BACK, Whom(B, A)),
        ((TO_B, BACK), BACK, Whom(A)),
        ((TO_B,), EmailChange(A, C), Whom(B, C)),
    ],
)
def test_change_that_was_carried_out_is_not_carried_out_again(
    known: tuple[EmailChange, ...], change: EmailChange, carried_out: Whom
) -> None:
    assert book(*known).change("user", change) == carried_out


def test_book_is_bounded_by_users_and_by_addresses_of_one_user() -> None:
    addresses = Addresses(users=2)
    for user in ("first", "second", "third"):
        addresses.learn(user, TO_B)
    assert [addresses.present(user, A) for user in ("first", "second", "third")] == [A, B, B]
    for number in range(100):
        addresses.learn(
            "third", EmailChange(f"{number}@shop.example", f"{number + 1}@shop.example")
        )
    assert addresses.present("third", "99@shop.example") == "100@shop.example"
    assert addresses.present("third", "0@shop.example") == "0@shop.example"
