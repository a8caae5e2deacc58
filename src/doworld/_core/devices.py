"""How JAX is set up: a host device per core and a compilation cache that outlives the process.

Nothing here runs on import. ``prepare()`` is called by the first function that needs JAX, so that
reading a log or printing a schema never pays for it.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["cache_folder", "make_room", "over_devices", "prepare"]

CROWDED = 0.25
"""Share of the memory maps a process may have above which compiled programs are dropped."""


def cache_folder() -> Path:
    """The folder of compiled programs; the environment variable ``DOWORLD_CACHE`` overrides it."""
    import platformdirs

    chosen = os.environ.get("DOWORLD_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("doworld"))


@cache
def prepare() -> int:
    """Sets JAX up once per process and returns the number of devices.

    A host device per core (at most eight) lets ``shard_map`` use every core for batched small
    matrix products, which one host device leaves idle. Where JAX already runs, it is left alone.
    """
    import jax

    cores = min(os.cpu_count() or 1, 8)
    with suppress(RuntimeError):  # somebody started JAX's backend before us
        jax.config.update("jax_num_cpu_devices", cores)
    folder = cache_folder() / "compiled"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return jax.local_device_count()
    if getattr(jax.config, "jax_compilation_cache_dir", None) is None:
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
    return jax.local_device_count()


def make_room() -> bool:
    """Drops compiled programs where they crowd the process; whether it did.

    A compiled program takes several of the memory maps that the system grants a process (on Linux
    65,530 unless set otherwise), and learning a model compiles hundreds: without this, some twenty
    models in one process end in "cannot allocate memory". What is needed again is compiled again,
    mostly out of the folder of compiled programs. Elsewhere than on Linux nothing is done.
    """
    try:
        limit = int(Path("/proc/sys/vm/max_map_count").read_text())
        with Path("/proc/self/maps").open("rb") as maps:
            used = sum(1 for _ in maps)
    except (OSError, ValueError):
        return False
    if used < CROWDED * limit:
        return False
    import jax

    jax.clear_caches()
    return True


def over_devices(function: Callable, devices: int, *, split: Any, out: Any) -> Callable:
    """``function`` run on every device at once, inside a mesh axis called ``batch``.

    ``split`` and ``out`` are the partition specs of its arguments and results. The axis exists with
    one device too, so that the function need not know how many there are.
    """
    import jax
    from jax.sharding import AxisType

    mesh = jax.make_mesh((devices,), ("batch",), axis_types=(AxisType.Auto,))
    return jax.shard_map(function, mesh=mesh, in_specs=split, out_specs=out, check_vma=False)
