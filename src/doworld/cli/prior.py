"""Prior knowledge from a command line: single edges as options, the whole as a file."""

import re
from pathlib import Path
from typing import Annotated

import typer

from doworld._core.errors import GraphError, QueryError

__all__ = ["Forbid", "PriorFile", "Require", "Tier", "prior_of"]

_LINK = re.compile(r"(?P<source>.+?)\s*(?:->|→|:)\s*(?P<target>.+?)(?:@(?P<lag>\d+))?")

PriorFile = Annotated[
    str | None,
    typer.Option("--prior", help="What is known, as YAML or JSON.", metavar="FILE"),
]
Require = Annotated[
    list[str] | None,
    typer.Option(help="An edge that must be there, at a lag; repeat.", metavar="A:B[@LAG]"),
]
Forbid = Annotated[
    list[str] | None,
    typer.Option(help="An edge that must not be there; repeat.", metavar="A:B[@LAG]"),
]
Tier = Annotated[
    list[str] | None,
    typer.Option(help="Groups in causal order, causes first; repeat.", metavar="A,B"),
]


def prior_of(path: str | None, require, forbid, tier, known):
    """The file's knowledge and the options' together; None where there is neither."""
    from dataclasses import replace

    from doworld.cli.values import names
    from doworld.graph import Prior

    if path is None and not (require or forbid or tier):
        return None
    base = Prior() if path is None else _read(path)
    return replace(
        base,
        required=(*base.required, *(_link(t, known) for t in require or [])),
        forbidden=(*base.forbidden, *(_link(t, known) for t in forbid or [])),
        tiers=(*base.tiers, *(names([t], known) for t in tier or [])),
    )


def _read(path: str):
    import yaml

    from doworld.graph import Prior

    try:
        data = yaml.safe_load(Path(path).read_text("utf-8"))  # JSON is YAML too
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise GraphError(
            f"{path} is neither YAML nor JSON ({' '.join(str(error).split())}). Correct it."
        ) from None
    return Prior.from_dict(data if data is not None else {})


def _link(text: str, known):
    from doworld.cli.values import names

    found = _LINK.fullmatch(text)
    if found is None:
        raise QueryError(f"{text!r} is not an edge. Write cause:effect, as in heater1:T1.")
    ends = names([found["source"]], known)[0], names([found["target"]], known)[0]
    return (*ends, int(found["lag"])) if found["lag"] else ends
