"""Shared by all tests: shapes are checked at run time, and real data is found."""

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest
from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

# The hook wants the checker's name. An int is a fine float, as PEP 484 says.
_checker = ModuleType("doworld_typecheck")
_checker.check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # type: ignore[attr-defined]
sys.modules[_checker.__name__] = _checker
# before anything imports doworld; annotations of every function are then checked on each call
_hook = install_import_hook("doworld", "doworld_typecheck.check")

DATA = Path(os.environ.get("DOWORLD_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data; skips where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"no development data in {DATA} (set DOWORLD_DATA to its folder)")
    return DATA.resolve()


@pytest.fixture(scope="session")
def shared_data(data_folder):
    """A function from a path inside the data folder to the file; skips where it is absent."""

    def find(name: str) -> Path:
        path = data_folder / name
        if not path.exists():
            pytest.skip(f"no {name!r} in {data_folder} (set DOWORLD_DATA to the full data)")
        return path

    return find
