"""Saving and loading a model: ``model.json`` and ``weights.safetensors``, no code, no pickle."""

import hashlib
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from doworld._core.devices import prepare
from doworld._core.errors import ModelFileError
from doworld.data import Schema
from doworld.graph import CausalGraph
from doworld.mechanisms import (
    AbstractBank,
    CategoricalBank,
    Coding,
    Known,
    KnownBank,
    LinearBank,
    MonolithBank,
    NeuralBank,
    PolynomialBank,
)
from doworld.model.baseline import LinearBaseline
from doworld.model.dynamics import Dynamics
from doworld.model.world import Calibration, Fit, Reference, WorldModel

__all__ = ["FORMAT", "load", "save"]

FORMAT = 1
"""Version of the file format; a reader refuses a newer one."""

MOST_BYTES = 2_000_000_000
FAMILIES: dict[str, type[AbstractBank]] = {
    "linear": LinearBank,
    "polynomial": PolynomialBank,
    "neural": NeuralBank,
    "categorical": CategoricalBank,
    "monolith": MonolithBank,
    "known": KnownBank,
}
PARTS = {"reference": Reference, "calibration": Calibration, "baseline": LinearBaseline}
VECTORS = ("center", "scale", "typical")


def _arrays(model: WorldModel) -> dict[str, np.ndarray]:
    out = {name: getattr(model, name) for name in VECTORS}
    for part, kind in PARTS.items():
        for field in fields(kind):
            out[f"{part}.{field.name}"] = getattr(getattr(model, part), field.name)
    dynamics = model.dynamics
    for name in ("order", "lower", "upper"):
        out[f"dynamics.{name}"] = getattr(dynamics, name)
    out["coding.variable"], out["coding.level"] = dynamics.coding.variable, dynamics.coding.level
    for i, bank in enumerate(dynamics.banks):
        for field in fields(bank):
            if field.name != "known":
                out[f"bank{i}.{field.name}"] = getattr(bank, field.name)
    return {name: np.ascontiguousarray(np.asarray(a)) for name, a in out.items()}


def _family(bank: AbstractBank) -> str:
    return next(name for name, kind in FAMILIES.items() if type(bank) is kind)


def _digest(head: dict[str, Any], weights: bytes) -> str:
    text = json.dumps(head, sort_keys=True, ensure_ascii=False).encode()
    return hashlib.sha256(text + hashlib.sha256(weights).digest()).hexdigest()


def save(model: WorldModel, folder: str | Path) -> None:
    """Writes ``model`` into ``folder``, which is made where it does not exist."""
    from safetensors.numpy import save as pack

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    weights = pack(_arrays(model))
    head: dict[str, Any] = {
        "format": FORMAT,
        "schema": model.schema.to_dict(),
        "graph": model.graph.to_dict(),
        "families": [_family(b) for b in model.dynamics.banks],
        "levels": model.dynamics.levels,
        "max_lag": model.dynamics.max_lag,
        "members_of_structure": list(model.members_of_structure),
        "fits": [
            {
                "variable": f.variable,
                "family": f.family,
                "log_likelihood": {k: float(v) for k, v in f.log_likelihood.items()},
                "one_step_nrmse": None if np.isnan(f.one_step_nrmse) else float(f.one_step_nrmse),
            }
            for f in model.fits
        ],
        "rows": model.rows,
        "notes": list(model.notes),
    }
    head["digest"] = _digest(head, weights)
    (folder / "weights.safetensors").write_bytes(weights)
    (folder / "model.json").write_text(
        json.dumps(head, indent=1, ensure_ascii=False), encoding="utf-8"
    )


def _read(folder: Path) -> tuple[dict[str, Any], bytes]:
    head_path, weights_path = folder / "model.json", folder / "weights.safetensors"
    for path in (head_path, weights_path):
        if not path.is_file():
            raise ModelFileError(
                f"{folder} holds no {path.name}, so it is not a saved model. Give the folder that "
                "`doworld learn --out` or `model.save` wrote."
            )
        if path.stat().st_size > MOST_BYTES:
            raise ModelFileError(f"{path} is larger than {MOST_BYTES:,} bytes. It is not read.")
    try:
        head = json.loads(head_path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ModelFileError(
            f"{head_path} is not readable JSON ({error}). It was cut short or changed; save the "
            "model again."
        ) from None
    if not isinstance(head, dict) or not isinstance(head.get("format"), int):
        raise ModelFileError(f"{head_path} names no format, so it is not a saved model.")
    if head["format"] > FORMAT:
        raise ModelFileError(
            f"{head_path} has format {head['format']}, and this version reads up to {FORMAT}. "
            "Update doworld, or save the model with the older version."
        )
    weights = weights_path.read_bytes()
    if head.pop("digest", None) != _digest(head, weights):
        raise ModelFileError(
            f"the files in {folder} do not belong together or were changed after they were saved "
            "(their digest differs). Save the model again."
        )
    return head, weights


def load(folder: str | Path, *, known: tuple[Known, ...] = ()) -> WorldModel:
    """Reads the model in ``folder``; raises ``ModelFileError`` where the files are not whole.

    A model with known mechanisms stores no function: pass the same ``known`` again.
    """
    prepare()
    from safetensors import SafetensorError
    from safetensors.numpy import load as unpack

    folder = Path(folder)
    head, weights = _read(folder)
    try:
        arrays = unpack(weights)
        return _assemble(head, arrays, known)
    except (KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise ModelFileError(
            f"{folder} lacks a part of a model ({error!r}). It was changed; save the model again."
        ) from None


def _assemble(
    head: dict[str, Any], arrays: dict[str, np.ndarray], known: tuple[Known, ...]
) -> WorldModel:
    banks = []
    for i, family in enumerate(head["families"]):
        kind = FAMILIES[family]
        own = {f.name: arrays[f"bank{i}.{f.name}"] for f in fields(kind) if f.name != "known"}
        if family == "known":
            own["known"] = _laws(head, own["targets"][0], known)
        banks.append(kind(**own))
    dynamics = Dynamics(
        banks=tuple(banks),
        coding=Coding(arrays["coding.variable"], arrays["coding.level"]),  # type: ignore[arg-type]
        order=arrays["dynamics.order"],  # type: ignore[arg-type]
        lower=arrays["dynamics.lower"],  # type: ignore[arg-type]
        upper=arrays["dynamics.upper"],  # type: ignore[arg-type]
        levels=head["levels"],
        max_lag=head["max_lag"],
    )
    parts = {
        part: kind(**{f.name: arrays[f"{part}.{f.name}"] for f in fields(kind)})
        for part, kind in PARTS.items()
    }
    fits = [
        Fit(**{**f, "one_step_nrmse": float("nan")} if f["one_step_nrmse"] is None else f)
        for f in ({**row} for row in head["fits"])
    ]
    return WorldModel(
        schema=Schema.from_dict(head["schema"]),
        graph=CausalGraph.from_dict(head["graph"]),
        dynamics=jax.tree.map(jnp.asarray, dynamics),
        **{name: arrays[name] for name in VECTORS},
        **parts,
        fits=tuple(fits),
        members_of_structure=tuple(head["members_of_structure"]),
        rows=head["rows"],
        notes=tuple(head["notes"]),
    )


def _laws(head: dict[str, Any], targets: np.ndarray, known: tuple[Known, ...]) -> tuple[Known, ...]:
    names = [head["schema"]["variables"][int(t)]["name"] for t in targets]
    given = {law.target: law for law in known}
    absent = [n for n in names if n not in given]
    if absent:
        raise ModelFileError(
            f"the model holds known mechanisms for {', '.join(absent)}, and functions are never "
            "saved. Pass them again: load(folder, known=(Known(...),))."
        )
    return tuple(given[n] for n in names)
