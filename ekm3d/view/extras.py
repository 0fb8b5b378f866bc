"""Optional packages of the extra `viz`, imported when a picture is made and not before.

    matplotlib = extra("matplotlib", "pictures")
"""

from importlib import import_module
from typing import Any

from ekm3d.errors import Ekm3dError

PIP = 'pip install "ekm3d[viz]"'
DPI = 130               # of pictures on paper


class ViewError(Ekm3dError):
    """A picture or report cannot be made; the message gives the remedy."""


def extra(name: str, purpose: str) -> Any:
    """Import and return a module of the extra; ViewError with the remedy where it is missing."""
    try:
        return import_module(name)
    except ImportError as error:
        package = name.split(".")[0]
        raise ViewError(f"{purpose} need the Python package {package} ({error}); "
                        f"install it with: {PIP}") from None


def pyplot() -> Any:
    """Import matplotlib without a screen and return its pyplot, in the style of all pictures."""
    extra("matplotlib", "pictures").use("Agg")
    plt = extra("matplotlib.pyplot", "pictures")
    plt.rcParams.update({
        "font.size": 11, "axes.titlesize": 12, "axes.titleweight": "bold", "axes.labelsize": 11,
        "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
        "legend.fontsize": 10, "figure.facecolor": "white", "savefig.dpi": DPI,
        "axes.prop_cycle": plt.cycler(color=COLOURS)})
    return plt


# Okabe and Ito's colours, told apart by colour-blind readers too, without the yellow.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#666666", "#882255")
ANODE, CATHODE, IDLE = "#D62728", "#1F5FBF", "#8A8A8A"
