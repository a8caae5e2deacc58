"""Saving and loading a model: ``model.json`` and ``weights.safetensors``, no code, no pickle."""

import hashlib
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

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
    LawBank,
    LinearBank,
    MonolithBank,
    NeuralBank,
    PolynomialBank,
    ensemble,
)
from doworld.mechanisms.terms import Operation
from doworld.model.baseline import LinearBaseline
from doworld.model.dynamics import Dynamics
from doworld.model.world import Calibration, Doubt, Doubts, Fit, Reference, WorldModel

__all__ = ["FORMAT", "load", "save"]

FORMAT = 5
"""Version of the file format; a reader refuses a newer one."""

OLDEST = 4
"""The oldest version that is read. Before, categorical mechanisms knew no contexts."""

MOST_BYTES = 2_000_000_000
FAMILIES: dict[str, type[AbstractBank]] = {
    "linear": LinearBank,
    "polynomial": PolynomialBank,
    "neural": NeuralBank,
    "categorical": CategoricalBank,
    "monolith": MonolithBank,
    "known": KnownBank,
    "law": LawBank,
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
    for i, doubt in enumerate(model.doubt):
        for field in fields(Doubt) if doubt is not None else ():
            out[f"doubt{i}.{field.name}"] = np.asarray(getattr(doubt, field.name), np.float32)
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
    text = json.dumps(head, indent=1, ensure_ascii=False)
    for name, content in (("weights.safetensors", weights), ("model.json", text.encode())):
        # written whole under another name first: a full disk leaves the older model as it was
        (folder / f"{name}.new").write_bytes(content)
    for name in ("weights.safetensors", "model.json"):
        (folder / f"{name}.new").replace(folder / name)


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
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelFileError(
            f"{head_path} is not readable JSON ({error}). It was cut short or changed; save the "
            "model again."
        ) from None
    if not isinstance(head, dict) or type(head.get("format")) is not int or head["format"] < 1:
        raise ModelFileError(
            f"{head_path} names no format, so it is not a saved model. Give the folder that "
            "`doworld learn --out` or `model.save` wrote."
        )
    if head["format"] > FORMAT:
        raise ModelFileError(
            f"{head_path} has format {head['format']}, and this version reads up to {FORMAT}. "
            "Update doworld, or save the model with the older version."
        )
    if head["format"] < OLDEST:
        raise ModelFileError(
            f"{head_path} has format {head['format']}, and this version reads from {OLDEST} on. "
            "Learn the model again from its log."
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
    from safetensors.numpy import load as unpack

    folder = Path(folder)
    head, weights = _read(folder)
    try:
        return _assemble(head, unpack(weights), known)
    except ModelFileError:
        raise
    except Exception as error:  # whatever a forged part breaks, the caller gets one kind of error
        text = str(error).split("\n", 1)[0]
        raise ModelFileError(
            f"{folder} lacks a part of a model, or a part does not fit the others "
            f"({type(error).__name__}: {text}). It was changed; save the model again."
        ) from None


def _assemble(
    head: dict[str, Any], arrays: dict[str, np.ndarray], known: tuple[Known, ...]
) -> WorldModel:
    schema = Schema.from_dict(head["schema"])
    coding = Coding(jnp.asarray(arrays["coding.variable"]), jnp.asarray(arrays["coding.level"]))
    banks: list[AbstractBank] = []
    for i, family in enumerate(head["families"]):
        kind = FAMILIES[family]
        own = {f.name: arrays[f"bank{i}.{f.name}"] for f in fields(kind) if f.name != "known"}
        _check_shapes(f"bank{i}", kind, own)
        laws = {"known": _laws(schema, coding, own, known)} if family == "known" else {}
        banks.append(ensemble(kind, own, **laws))
    dynamics = Dynamics.of(
        tuple(banks),
        coding=coding,
        order=arrays["dynamics.order"],
        lower=arrays["dynamics.lower"],
        upper=arrays["dynamics.upper"],
        max_lag=head["max_lag"],
    )
    _check_wiring(schema, dynamics, arrays)
    parts = {
        part: kind(**{f.name: arrays[f"{part}.{f.name}"] for f in fields(kind)})
        for part, kind in PARTS.items()
    }
    fits = [
        Fit(**{**f, "one_step_nrmse": float("nan")} if f["one_step_nrmse"] is None else f)
        for f in ({**row} for row in head["fits"])
    ]
    return WorldModel(
        schema=schema,
        graph=CausalGraph.from_dict(head["graph"]),
        dynamics=dynamics,
        **{name: arrays[name] for name in VECTORS},
        **parts,
        fits=tuple(fits),
        members_of_structure=tuple(head["members_of_structure"]),
        rows=head["rows"],
        notes=tuple(head["notes"]),
        doubts=_doubts(tuple(_doubt(i, bank, arrays) for i, bank in enumerate(banks))),
    )


def _doubts(known: tuple[Doubt | None, ...]) -> Doubts:
    return Doubts(lambda: known)


def _doubt(number: int, bank: AbstractBank, arrays: dict[str, np.ndarray]) -> Doubt | None:
    """The doubt of a bank; None where the file holds none."""
    own = {f.name: arrays.get(f"doubt{number}.{f.name}") for f in fields(Doubt)}
    members, n, k = bank.columns.shape
    if own["location"] is not None and own["tilt"] is None:  # written before doubts had lines
        own = _with_line(own, n, k)
    if any(array is None for array in own.values()):
        return None
    doubt = Doubt(**own)  # type: ignore[arg-type]
    waves, copies = doubt.phase.shape[-1], doubt.location.shape[1]
    wanted = {
        "shift": (members, n, k),
        "spread": (members, n, k),
        "frequency": (n, k, waves),
        "phase": (n, waves),
        "tilt": (members, copies, n, k),
        "location": (members, copies, n, waves),
        "log_scale": (members, copies, n, waves),
    }
    if any(getattr(doubt, name).shape != shape for name, shape in wanted.items()):
        raise ModelFileError(
            f"doubt{number} does not fit its bank. The file was changed; save the model again."
        )
    return doubt


def _with_line(own: dict[str, Any], n: int, k: int) -> dict[str, Any]:
    """An older doubt, whose waves were √(2/waves)·cos, with a line that is level."""
    height = np.sqrt(2 / own["location"].shape[-1])
    scaled = {name: height * own[name] for name in ("location", "log_scale")}
    return {**own, **scaled, "tilt": np.zeros((*own["location"].shape[:2], n, k))}


def _check_shapes(name: str, kind: type[AbstractBank], leaves: dict[str, np.ndarray]) -> None:
    """Every leaf has the axes that its annotation names, after the member axis."""
    sizes: dict[str, int] = {}
    for field in fields(kind):
        if field.name not in leaves:
            continue
        axes = ("members", *str(field.type.dim_str).split())  # type: ignore[union-attr]
        shape = leaves[field.name].shape
        fits = len(shape) == len(axes) and all(
            size == (int(axis) if axis.isdigit() else sizes.setdefault(axis, size))
            for axis, size in zip(axes, shape, strict=True)
        )
        if not fits:
            wanted = " × ".join(axes)
            raise ModelFileError(
                f"{name}.{field.name} has the shape {shape}, which is not {wanted} like the "
                "parts beside it. The file was changed; save the model again."
            )


def _check_wiring(schema: Schema, dynamics: Dynamics, arrays: dict[str, np.ndarray]) -> None:
    """Columns and targets point inside a window of the schema's variables."""
    count, features = len(schema), len(dynamics.coding.variable)
    window = (dynamics.max_lag + 1) * features
    vectors = [arrays[n] for n in (*VECTORS, *(f"dynamics.{k}" for k in ("order", "lower")))]
    whole = (
        bool(dynamics.banks)
        and len({b.targets.shape[0] for b in dynamics.banks}) == 1
        and all(v.shape == (count,) for v in vectors)
        and all(int(b.targets.max()) < count and int(b.targets.min()) >= 0 for b in dynamics.banks)
        and all(int(b.columns.max()) < window and int(b.columns.min()) >= 0 for b in dynamics.banks)
        and all(_gates_fit(b) for b in dynamics.banks if isinstance(b, CategoricalBank))
        and all(_terms_fit(b) for b in dynamics.banks if isinstance(b, LawBank))
    )
    if not whole:
        raise ModelFileError(
            f"the weights do not fit the {count} variables that model.json names. The files were "
            "changed; save the model again."
        )


def _gates_fit(bank: CategoricalBank) -> bool:
    networks, outputs = bank.bias2.shape[-2:]
    gates = np.asarray(bank.gate)
    known = bool((gates >= -1).all() and (gates < bank.columns.shape[-1]).all())
    return known and networks == 1 + gates.shape[-1] and outputs == 1 + bank.open.shape[-1]


def _terms_fit(bank: LawBank) -> bool:
    operation, reads = np.asarray(bank.operation), np.asarray(bank.reads)
    known = bool((operation >= 0).all() and (operation <= max(Operation)).all())
    return known and bool((reads >= 0).all() and (reads < bank.columns.shape[-1]).all())


def _laws(
    schema: Schema, coding: Coding, leaves: dict[str, np.ndarray], known: tuple[Known, ...]
) -> tuple[Known, ...]:
    names = [schema.names[int(t)] for t in leaves["targets"][0]]
    given = {law.target: law for law in known}
    absent = [n for n in names if n not in given]
    if absent:
        raise ModelFileError(
            f"the model holds known mechanisms for {', '.join(absent)}, and functions are never "
            "saved. Pass them again: load(folder, known=(Known(...),))."
        )
    for name, columns in zip(names, leaves["columns"][0], strict=True):
        law = given[name]
        read = [c for _, s, lag in law.parents for c in coding.columns(schema.position(s), lag)]
        if read != columns[: len(read)].tolist() or np.any(columns[len(read) :]):
            raise ModelFileError(
                f"the known law of {name!r} reads other parents than when the model was saved. "
                "Pass the law with the same parents in the same order, or learn again."
            )
    return tuple(given[n] for n in names)
