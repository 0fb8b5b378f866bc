"""Probe of pyvista: whether it can draw here without a screen, tried in a process of its own.

Where a machine has neither an X server nor EGL nor OSMesa, VTK ends the process that draws; so a
child draws a small sphere first, once in a command.
"""

import subprocess
import sys
from functools import cache

REMEDY = ("install EGL (apt-get install libegl1 libgl1-mesa-dri) or OSMesa (apt-get install "
          "libosmesa6) to have them in 3D")
SPHERE = """
import pyvista
plotter = pyvista.Plotter(off_screen=True, window_size=(64, 64))
plotter.add_mesh(pyvista.Sphere(), color="red")
image = plotter.screenshot(return_img=True)
assert image.std() > 1.0, "the picture is empty"
"""


@cache
def why_not(seconds: float = 120.0) -> str:
    """Return "" where pyvista draws off-screen, else the reason and the remedy in one sentence."""
    try:
        answer = subprocess.run([sys.executable, "-c", SPHERE], capture_output=True, text=True,
                                timeout=seconds)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"pyvista was tried and did not answer ({type(error).__name__}); {REMEDY}"
    if answer.returncode == 0:
        return ""
    if "No module named" in answer.stderr:
        return 'pyvista is not installed; install it with: pip install "ekm3d[viz]"'
    return f"pyvista cannot draw off-screen on this machine; {REMEDY}"
