"""ParaView script: run by the ParaView of the system, where there is one, without a display."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
from helpers.case_files import ROOT

SCREEN = "-screen 0 1400x900x24"


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("pvpython") or not shutil.which("xvfb-run"),
                    reason="pvpython or xvfb-run is missing (Debian: python3-paraview, xvfb)")
@pytest.mark.parametrize("case, overrides", [
    ("field_saturated", ("grid.spacing=25 cm", "schedule.stage.1.duration=1 h")),
    ("hillside", ("grid.spacing=[3, 5, 2]", "schedule.stage.1.duration=6 h",
                  "schedule.stage.1.rotate.every=2 h", "schedule.stage.3.duration=1 h",
                  "output.snapshot_every=2 h"))])
def test_a_run_is_shown(tmp_path, case, overrides):
    """A picture in which ore, surfaces and electrodes are seen: hundreds of colours, not one.

    The hillside is turned, in real space, and has rods: orange, which no scale of the picture has.
    """
    out = tmp_path / "out"
    words = [word for given in ("schedule.stage.0.duration=6 h", *overrides)
             for word in ("-o", given)]
    subprocess.run([sys.executable, "-m", "ekm3d", "run", ROOT / "cases" / case, "--quiet",
                    "--out", out, *words], check=True, timeout=600)
    picture = tmp_path / "show.png"
    for attempt in range(3):                # the display of a busy machine may come too late
        done = subprocess.run(
            ["xvfb-run", "-a", "-w", "10", "-n", str(150 + attempt), "-s", SCREEN, "pvpython",
             ROOT / "scripts" / "paraview" / "show.py", out, "--time", "6", "--png", picture],
            capture_output=True, text=True, timeout=600)
        if done.returncode == 0:
            break
    assert picture.exists(), done.stdout + done.stderr
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pixels = (255 * pyplot.imread(picture)[..., :3]).astype(int).reshape(-1, 3)
    assert len(np.unique(pixels, axis=0)) > 200
    red, green, blue = pixels.T
    assert ((red > 1.5 * green) & (green > 1.5 * blue) & (red > 90)).sum() > 200
    assert "Skipping" not in done.stdout + done.stderr
