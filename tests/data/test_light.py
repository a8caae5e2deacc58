"""Reading, describing and writing a log never pays for JAX."""

import subprocess
import sys

SCRIPT = """
import sys, tempfile, pathlib
import doworld as dw
folder = pathlib.Path(tempfile.mkdtemp())
(folder / "run.csv").write_text("t,x,u\\n0,1.5,0\\n1,2.5,1\\n2,3.5,\\n")
log = dw.read(folder / "run.csv", state="x", action="u", time="t")
str(log.summary())
log.resample(0.5).write(folder / "again.csv")
dw.Trajectories.from_gymnasium("CartPole-v1", episodes=1)
print(sorted(m for m in ("jax", "equinox", "pandas", "minari") if m in sys.modules))
"""


def test_nothing_heavy_is_imported():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
