"""VM sizes: the list, the quota they take, and what is meant by a name that is not on it."""

from __future__ import annotations

import pytest
from test_rules_deployment import MANAGED, changed, found, here

from amlready import skus

__all__ = ["here"]


def test_the_list_has_eighty_five_sizes_and_none_of_them_is_unknown():
    assert len(skus.sizes()) == 85
    for size in skus.sizes().values():
        assert "unknown-instance-type" not in found(changed(MANAGED, f"instance_type: {size.name.upper()}\n"))


@pytest.mark.parametrize(
    ("name", "instances", "cores"),
    [
        ("Standard_DS3_v2", 10, 48),
        ("Standard_D2as_v4", 1, 4),
        ("Standard_F4s_v2", 5, 24),
        ("Standard_NC24ads_A100_v4", 2, 48),
    ],
)
def test_quota_is_counted_as_azure_counts_it(name, instances, cores):
    size = skus.find(name)
    assert size is not None
    assert size.quota(instances) == cores


@pytest.mark.parametrize(
    ("name", "alike"),
    [
        ("Standard_DS3_v2 ", ["Standard_DS3_v2"]),
        ("DS3_v2", ["Standard_DS3_v2"]),
        ("Standrd_DS3_v2", ["Standard_DS3_v2"]),
        ("Standard_D3_v2", ["Standard_DS3_v2"]),
        ("Standard_D4s_v5", ["Standard_D4as_v4", "Standard_D4a_v4"]),
        ("Standard_B2ms", []),
        ("Standard_NC6", []),
        ("large", []),
    ],
)
def test_the_size_that_was_meant_is_proposed_and_no_other(name, alike):
    assert skus.alike(name) == alike
