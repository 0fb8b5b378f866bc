"""Picture of the README: drawn from a coarse field block, where pictures can be drawn at all."""

import subprocess
import sys

import numpy as np
import pytest
from helpers.case_files import ROOT

from ekm3d import Case, Simulation
from ekm3d.cli.doctor_checks import WORKS, rendering
from ekm3d.resources import case_path


@pytest.mark.slow
def test_the_picture_shows_ore_electrodes_and_acid(tmp_path):
    """In a process of its own: red and blue metal, the colours of the ore, a white ground."""
    if rendering().state != WORKS:
        pytest.skip(f"no pictures here: {rendering().found}")
    case = Case.read(case_path("field_saturated"), [
        "grid.spacing=25 cm", "schedule.stage.0.duration=12 h", "schedule.stage.1.duration=6 h"])
    Simulation(case, "numpy").run(tmp_path / "out", quiet=True)
    to = tmp_path / "picture.png"
    script = ROOT / "scripts" / "tools" / "first_picture.py"
    code = (f"import runpy, sys; sys.path.insert(0, {str(ROOT)!r}); "
            f"runpy.run_path({str(script)!r}, run_name='__main__')")
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "out", "--to", to],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    from matplotlib.image import imread
    image = np.asarray(imread(to))[..., :3]
    red, green, blue = np.moveaxis(image, -1, 0)
    assert (image.min(-1) > 0.98).mean() > 0.2
    assert ((red > 0.5) & (green < 0.25) & (blue < 0.25)).sum() > 500
    assert ((blue > 0.4) & (red < 0.2) & (green < 0.45)).sum() > 500
