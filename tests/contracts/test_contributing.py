"""The example methods of CONTRIBUTING.md work as they stand there, found through an entry point."""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from exval.data.source import open_source
from exval.errors import InputError
from exval.methods.imputation.base import Imputer
from exval.registry import Registry

TEXT = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text()


@pytest.fixture
def plugged_in(monkeypatch):
    """The code of the example as a module of another project."""
    (code,) = re.findall(r"```python\n(\"\"\"Shrinkage.*?)```", TEXT, re.S)
    module = ModuleType("somewhere_else")
    exec(compile(code, "somewhere_else.py", "exec"), vars(module))
    monkeypatch.setitem(sys.modules, "somewhere_else", module)
    offered = [
        metadata.EntryPoint("shrink", "somewhere_else", "exval.methods"),
        metadata.EntryPoint("broken", "nowhere_at_all", "exval.methods"),
    ]
    monkeypatch.setattr(metadata, "entry_points", lambda group: [e for e in offered if e.group == group])
    return Registry("exval.methods", "exval.methods.base:Method", "method")


def test_the_example_is_found_and_imputes(plugged_in, baron_small):
    assert issubclass(plugged_in["shrink"], Imputer) and "nothing" in plugged_in
    cells = open_source(baron_small).to_adata()
    near = plugged_in["shrink"](strength=0.0).fit(cells).impute(cells)
    np.testing.assert_allclose(near.to("counts").values_nq, baron_small.X.toarray(), rtol=1e-3, atol=1e-3)
    far = plugged_in["shrink"](strength=1e9).fit(cells).impute(cells).values_nq
    np.testing.assert_allclose(far[0], far[-1], rtol=1e-3, atol=1e-3)


def test_a_plug_in_that_cannot_be_imported_is_said_and_left_out(plugged_in, caplog):
    assert "shrink" in plugged_in
    assert "nowhere_at_all" in caplog.text
    with pytest.raises(InputError):
        plugged_in["broken"]
