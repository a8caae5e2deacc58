"""Known mechanisms: the user's law as it is, with the noise that the log shows around it."""

import jax
import jax.numpy as jnp
import numpy as np

from doworld._core.errors import GraphError
from doworld.data import Trajectories
from doworld.mechanisms import Known, KnownBank, ensemble, renewed
from doworld.model.closed import wiring
from doworld.model.design import Design, Parents
from doworld.model.world import Fit

__all__ = ["fit_known"]


def _columns(log: Trajectories, data: Design, laws: tuple[Known, ...]) -> np.ndarray:
    """Where each law's arguments stand in the flattened window, in the law's order."""
    width = max(len(law.parents) for law in laws)
    out = np.zeros((len(laws), width), np.int32)
    for i, law in enumerate(laws):
        for j, (_, source, lag) in enumerate(law.parents):
            columns = data.coding.columns(log.schema.position(source), lag)
            if len(columns) > 1:
                raise GraphError(
                    f"the known law of {law.target!r} reads the categorical {source!r}, and laws "
                    "read numbers only. Leave that parent out or learn the mechanism."
                )
            out[i, j] = columns[0]
    return out


def _locations(bank: KnownBank, data: Design, columns: np.ndarray) -> np.ndarray:
    """The laws' values on every row; raises ``GraphError`` for a law that cannot be evaluated."""
    inputs = np.stack([data.gather(c, data.rows) for c in columns], 1).astype(np.float32)
    names = ", ".join(law.target for law in bank.known)
    try:
        out = np.asarray(jax.vmap(bank.location)(jnp.asarray(inputs)))
    except Exception as error:
        text = str(error).split("\n", 1)[0]
        raise GraphError(
            f"a known law (of {names}) cannot be evaluated: {type(error).__name__}: {text}. Write "
            "it with jax.numpy, one keyword argument a parent, and return one number."
        ) from error
    wrong = [
        law.target for law, o in zip(bank.known, out.T, strict=True) if not np.isfinite(o).all()
    ]
    if wrong:
        raise GraphError(
            f"the known law of {', '.join(wrong)} gives NaN or infinity on rows of the log. Mend "
            "the function, or keep it finite with jax.numpy.where."
        )
    return out


def fit_known(
    log: Trajectories, data: Design, plan: Parents, laws: tuple[Known, ...]
) -> tuple[KnownBank, list[Fit]]:
    """The bank of the users' laws, their σ the spread of the log around them."""
    columns = _columns(log, data, laws)
    source = np.asarray(data.coding.variable)[columns % data.features.shape[1]]
    plan = Parents(
        targets=plan.targets,
        columns=columns,
        mask=np.ones((len(plan.mask), *columns.shape), np.float32),
        residual=np.zeros(len(laws), np.float32),
    )
    members = len(plan.mask)

    def member(a: np.ndarray) -> np.ndarray:
        return np.broadcast_to(a, (members, *a.shape)).astype(np.float32)

    leaves = {
        **wiring(plan),
        "sigma": member(np.ones(len(laws))),
        "center_in": member(data.center[source]),
        "scale_in": member(data.scale[source]),
        "center_out": member(data.center[plan.targets]),
        "scale_out": member(data.scale[plan.targets]),
    }
    bank = ensemble(KnownBank, leaves, known=laws)
    first = jax.tree.map(lambda leaf: leaf[0], bank)
    error = data.values[data.rows][:, plan.targets] - _locations(first, data, columns)
    whole = [data.complete(int(t), columns[i]) for i, t in enumerate(plan.targets)]
    sigma = np.array(
        [
            max(float(np.sqrt(np.mean(e[w] ** 2))) if w.any() else 1.0, 1e-6)
            for e, w in zip(error.T, whole, strict=True)
        ]
    )
    likely = -np.log(sigma) - 0.5 * np.log(2 * np.pi * np.e)
    fits = [
        Fit(law.target, "known", {"known": float(ll)}, float(s))
        for law, ll, s in zip(laws, likely, sigma, strict=True)
    ]
    return renewed(bank, {"sigma": jnp.asarray(member(sigma))}), fits
