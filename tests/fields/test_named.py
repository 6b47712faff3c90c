"""A field by its name, with settings as text."""

from __future__ import annotations

import pytest

from exval.errors import ExvalError, InputError
from exval.fields.named import named_field


def test_settings_take_the_kind_of_the_default():
    field = named_field("siren", {"steps": "40", "lr": "1e-3", "regions": "false", "omegas": "2"}, seed=3, device="cpu")
    assert (field.steps, field.lr, field.regions, field.omegas) == (40, 1e-3, False, (2.0,))
    assert (field.seed, field.device) == (3, "cpu")
    assert named_field("inr-published", {"batch_rows": "null"}).batch_rows is None
    assert named_field("knn", {"k": 5}, seed=1).k == 5


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("knn", {"neighbours": "5"}, "knn has no parameter 'neighbours'; there are: fold, k"),
        ("knn", {"k": "many"}, "--set k=many: a value like 10 is needed"),
        ("knn", {"k": "1.5"}, "a value like 10"),
        ("gp", {"chosen": "1"}, "no parameter 'chosen'"),
        ("siren", {"omegas": "a,b"}, "--set omegas=a,b: a value like 1.0"),
    ],
)
def test_what_cannot_be_set_is_refused(name, settings, words):
    with pytest.raises(InputError, match=words):
        named_field(name, settings)


def test_a_name_that_there_is_not():
    with pytest.raises(ExvalError, match="krigin"):
        named_field("krigin")
