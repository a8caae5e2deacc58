"""The third rung against known truths: identification, counterfactuals, blame, effects, trust.

    doworld bench inference [PART …] [--json FILE] [--quick] [--seeds N] [--peers PYTHON]
                           [--workers N] [--resume]

Every part is the module ``_inference_PART`` beside this file, with one function
``rows(options) -> list[Row]``. Peers run in the interpreter PYTHON; where they
conflict (dowhy; ananke, antecedent), give ``--peers`` once for each of theirs.
"""

import argparse
import importlib
from functools import partial
from pathlib import Path

from _table import Row, parts

PARTS = (
    "traps",
    "coverage",
    "counterfactual",
    "imagine",
    "blame",
    "actual",
    "speed",
    "identify",
    "sepsis",
    "effects",
    "petshop",
)


def part(name: str, options: argparse.Namespace) -> list[Row]:
    """The rows of one part."""
    return importlib.import_module(f"_inference_{name}").rows(options)


def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmarks of the third rung.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--json", type=Path, default=Path("inference.json"))
    parser.add_argument("--quick", action="store_true", help="a tenth of the worlds")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--peers",
        action="append",
        default=[],
        help="a Python that has peers; give it twice for two",
    )
    parser.add_argument("--workers", type=int, default=1, help="processes that share the worlds")
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    unknown = [p for p in options.parts if p not in PARTS]
    if unknown:
        parser.error(f"no part is called {unknown[0]!r}. Parts: {', '.join(PARTS)}.")
    every = {name: partial(part, name, options) for name in PARTS}
    settings = f"quick={options.quick} seeds={options.seeds}"
    parts(
        "Inference: asked and reached",
        every,
        options.parts,
        options.json,
        settings=settings,
        resume=options.resume,
    )


if __name__ == "__main__":
    main()
