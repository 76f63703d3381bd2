"""What becomes of the names of vars."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.sailthru.var_names import KEPT_VARS, VarNames

MINE = VarNames()


@pytest.mark.parametrize(
    ("name", "var"),
    [
        ("tier", "tier"),
        ("Tier", "Tier"),
        ("$City", "City"),
        ("favourite colour", "favourite_colour"),
        ("  favourite\tcolour ", "favourite_colour"),
        ("last-order.total%", "lastordertotal"),
        ("2nd_name", "_2nd_name"),
        ("-2nd", "_2nd"),
        ("²nd", "_²nd"),
        ("$", "_"),
        ("", "_"),
        ("Zoë's größe", "Zoës_größe"),
        ("~campaign", "campaign"),
        ("+click_timestamp", "click_timestamp"),
        ("a" * 32, "a" * 32),
        ("a-" * 32, "a" * 32),
    ],
)
def test_name_alone_becomes_its_var(name: str, var: str) -> None:
    named, naming = MINE.profile([name])
    assert named == {name: var}
    assert naming.renamed == ({} if name == var else {name: var})


@pytest.mark.parametrize("spelling", ["$FirstName", "$firstname", "$FIRSTNAME", " $firstName "])
def test_the_attributes_that_mparticle_reserves_are_one_however_they_are_spelled(
    spelling: str,
) -> None:
    assert MINE.profile([spelling])[0] == {spelling: "FirstName"}


def test_case_tells_all_other_attributes_apart() -> None:
    assert MINE.profile(["$plan", "$Plan", "Plan2"])[0] == {
        "$plan": "plan",
        "$Plan": "Plan",
        "Plan2": "Plan2",
    }


@pytest.mark.parametrize("name", sorted(KEPT_VARS))
def test_names_that_sailthru_keeps_get_one_of_ours_and_are_counted(name: str) -> None:
    named, naming = MINE.profile([name])
    assert named == naming.renamed == {name: f"mp_{name}"}
    assert naming.reserved == 1


@pytest.mark.parametrize("name", ["$email", "e-mail", " email "])
def test_a_name_that_becomes_one_that_sailthru_keeps_is_no_exception(name: str) -> None:
    named, naming = MINE.profile([name])
    assert (named, naming.reserved) == ({name: "mp_email"}, 1)


@pytest.mark.parametrize("name", ["Email", "blast_name", "name", "source", "profiles"])
def test_names_that_only_look_like_them_are_kept(name: str) -> None:
    assert MINE.profile([name])[0] == {name: name}


@pytest.mark.parametrize("name", ["$NoTargeting", "$notargeting"])
def test_a_switch_of_mparticles_sdks_is_no_var(name: str) -> None:
    named, naming = MINE.profile([name, "tier"])
    assert named == {"tier": "tier"}
    assert naming.switches == 1


def test_the_operators_own_names_go_before_all_rules() -> None:
    mine = VarNames({"City": "shipping_city", "$city": "home", "email": "second_email"})
    named, naming = mine.profile(["$City", "City", "email"])
    assert named == {"$City": "home", "City": "shipping_city", "email": "second_email"}
    assert (naming.told_apart, naming.reserved) == (0, 0)


def test_an_attribute_that_is_in_the_way_of_the_operators_name_gives_way() -> None:
    named, naming = VarNames({"nick name": "alias"}).profile(["alias", "nick name"])
    assert named["nick name"] == "alias"
    assert named["alias"].startswith("alias_")
    assert naming.told_apart == 1


def test_long_names_that_begin_alike_are_cut_and_stay_apart_wherever_they_come() -> None:
    one, other = "subscription_preferences_for_email", "subscription_preferences_for_emails"
    named, naming = MINE.profile([one, other])
    assert named[one] != named[other]
    assert all(
        len(var) == 32 and var.startswith("subscription_preferences") for var in named.values()
    )
    assert naming.told_apart == 0
    assert MINE.profile([other])[0] == {other: named[other]}


@pytest.mark.parametrize(
    ("names", "keeps"),
    [
        (["City", "$City"], "$City"),
        (["City", "$city", "$City"], "$City"),
        (["City", "$city"], "$city"),
        (["fav-color", "favcolor", "fav.color"], "favcolor"),
        (["fav.color", "fav-color"], "fav-color"),
        (["~campaign", "campaign"], "campaign"),
    ],
)
def test_of_names_that_become_one_the_same_one_keeps_it(names: list[str], keeps: str) -> None:
    named, naming = MINE.profile(names)
    assert naming.told_apart == len(names) - 1
    assert len(set(named.values())) == len(names)
    assert named[keeps] == MINE.var(keeps)
    assert MINE.profile(reversed(names)) == (named, naming)


def test_a_detail_never_takes_the_var_of_an_attribute() -> None:
    attributes, details, naming = MINE.event(["coupon code"], ["coupon_code", "total"], ["mp_id"])
    assert attributes == {"coupon code": "coupon_code"}
    assert details == {"coupon_code": "mp_coupon_code", "total": "total"}
    assert naming.details == {"coupon_code": "mp_coupon_code"}


def test_a_detail_gives_way_even_where_the_name_of_ours_is_taken_too() -> None:
    attributes, details, _ = MINE.event(["price", "mp price"], ["price"], [])
    assert attributes == {"price": "price", "mp price": "mp_price"}
    assert details["price"] not in attributes.values()


alike = st.text(st.sampled_from("aA1 $%-._é~'"), max_size=40)
names = st.one_of(alike, st.sampled_from(["email", "$city", "mp_email"]), st.text(max_size=60))


@given(st.sets(names, max_size=12), st.sets(names, max_size=6))
def test_vars_are_as_many_as_names_and_always_as_sailthru_takes_them(
    attributes: set[str], details: set[str]
) -> None:
    ours = ("mp_event_id", "mp_event_time")
    named, detailed, _ = MINE.event(attributes, details, ours)
    assert set(named) == attributes
    assert set(detailed) == details
    taken = [*named.values(), *detailed.values(), *ours]
    assert len(set(taken)) == len(taken)
    assert named == MINE.event(attributes, (), ours)[0]
    for var in taken:
        assert 1 <= len(var) <= 32
        assert not var[0].isdigit()
        assert var.replace("_", "a").isalnum()
        assert var not in KEPT_VARS
