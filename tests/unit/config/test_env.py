"""Typed readers: each fault names the setting, the value and the mend in one line."""

from __future__ import annotations

import pytest

from config.env import Env, SettingError, shown


def fault_of(read, *arguments) -> str:
    with pytest.raises(SettingError) as caught:
        read(*arguments)
    return str(caught.value)


def test_the_error_is_one_line_of_name_fault_and_mend():
    error = SettingError("PORT", "is 0, which is out of range", "set a number")
    assert str(error) == "PORT is 0, which is out of range; set a number"
    assert (error.name, error.fault, error.mend) == ("PORT", "is 0, which is out of range", "set a number")


def test_a_shown_value_has_no_line_break_and_an_end():
    assert shown("a\nb") == "'a\\nb'"
    assert shown("x" * 100) == "'" + "x" * 40 + "...'"


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_variable_counts_as_unset(value: str):
    env = Env({"A": value})
    assert env.optional("A") is None
    assert env.text("A", "default") == "default"
    assert env.whole("A", 7) == 7
    assert env.listing("A") == ()


def test_a_secret_keeps_its_blanks():
    assert Env({"A": " x "}).raw("A") == " x "
    assert Env({"A": ""}).raw("A") is None


def test_a_list_loses_blanks_and_empty_items():
    assert Env({"A": " a, b,,c ,"}).listing("A") == ("a", "b", "c")


def test_a_choice_is_found_in_any_case():
    assert Env({"A": "debug"}).choice("A", "INFO", ("DEBUG", "INFO")) == "DEBUG"
    line = fault_of(Env({"A": "loud"}).choice, "A", "INFO", ("DEBUG", "INFO"))
    assert line == "A is 'loud', which is not known; set DEBUG or INFO"


@pytest.mark.parametrize("value", ["abc", "1.5", "1_000", "٣", "0x10", "1e3", "1 2"])
def test_a_whole_number_is_refused_when_it_is_none(value: str):
    assert "which is no whole number; set a whole number from 1 to 9" in fault_of(
        Env({"A": value}).whole, "A", 5, 1, 9
    )


@pytest.mark.parametrize("value", ["-1", "0", "10", "9" * 5000])
def test_a_whole_number_is_refused_when_out_of_range(value: str):
    assert "which is out of range;" in fault_of(Env({"A": value}).whole, "A", 5, 1, 9)


@pytest.mark.parametrize(("value", "number"), [("1", 1), ("9", 9), (" 3 ", 3), ("+4", 4)])
def test_a_whole_number_is_read(value: str, number: int):
    assert Env({"A": value}).whole("A", 5, 1, 9) == number


@pytest.mark.parametrize("value", ["nan", "inf", "-0.1", "1e9"])
def test_a_number_is_refused_when_out_of_range(value: str):
    assert "which is out of range; set a number from 0 to 60" in fault_of(Env({"A": value}).number, "A", 1.0, 0, 60)


def test_a_number_is_refused_when_it_is_none():
    assert "A is 'soon', which is no number;" in fault_of(Env({"A": "soon"}).number, "A", 1.0, 0, 60)
    assert Env({"A": "0.5"}).number("A", 1.0, 0, 60) == 0.5
