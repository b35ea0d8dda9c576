"""A number in another unit is told by its size alone; a number that a hidden check may take never is."""

import pytest

from labkit.checks.units import UNITS, other_unit


@pytest.mark.parametrize(("asked", "unit"), [(asked, unit) for asked, units in UNITS.items() for unit in units])
@pytest.mark.parametrize("near", [0.5, 1.0, 2.0])
def test_a_number_in_another_unit_is_asked_for_again(asked, unit, near):
    told = other_unit(37.2 * UNITS[asked][unit] * near, 37.2, asked)
    assert told == f"That looks like {unit}. How many {asked} is it?"


@pytest.mark.parametrize("asked", UNITS)
@pytest.mark.parametrize("value", [37.2, 20, 70, 3.72, 372, 0, -37.2, True, "0.0372", None, [37.2]])
def test_any_other_number_is_left_to_the_hidden_check(asked, value):
    assert other_unit(value, 37.2, asked) == ""


@pytest.mark.parametrize(("true", "asked"), [(0, "milliseconds"), (None, "GiB"), (-1.0, "microseconds"), (0.06, "percent")])
def test_without_a_true_number_nothing_is_told(true, asked):
    assert other_unit(0.0006, true, asked) == ""
