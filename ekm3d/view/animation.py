"""Animations of a run: one frame for each snapshot, as MP4 and GIF."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ekm3d.view import extras, figures
from ekm3d.view.block_views import BlockViews
from ekm3d.view.quantities import Quantity
from ekm3d.view.run import Run

WINDOW = (960, 720)             # pixels; codecs want multiples of 16
MOST_FRAMES = 120
SECONDS = 8.0                   # that an animation lasts, or fewer of few frames


def frames(run: Run, quantity: Quantity, solid: bool) -> Iterator[np.ndarray]:
    """Yield pictures (height, width, 3) of a quantity, in 3D or as slices, with one colour range.
    """
    count = len(run.times)
    shown = np.unique(np.linspace(0, count - 1, min(count, MOST_FRAMES)).astype(int))
    if solid:
        scenes = BlockViews(run, WINDOW)
        for n in shown:
            plotter = scenes.cut_volume(quantity, int(n))
            yield np.asarray(plotter.screenshot(return_img=True))
            plotter.close()
        return
    same = quantity.within(*quantity.limits(run, [0, count // 2, count - 1]))
    for n in shown:
        figure = figures.slices(run, same, [int(n)])
        figure.set_dpi(90)
        figure.canvas.draw()
        yield _even(np.asarray(figure.canvas.buffer_rgba())[..., :3])
        extras.pyplot().close(figure)


def _even(image: np.ndarray) -> np.ndarray:
    """Return a picture cut to a size that codecs take."""
    height, width = (size - size % 16 for size in image.shape[:2])
    return np.ascontiguousarray(image[:height, :width])


def animate(run: Run, quantity: Quantity, folder: Path, solid: bool) -> list[Path]:
    """Write NAME.mp4 and NAME.gif of a quantity; return their paths. ViewError without imageio."""
    imageio = extras.extra("imageio", "animations")
    extras.extra("imageio_ffmpeg", "animations")
    pictures = list(frames(run, quantity, solid))
    rate = max(1.0, min(12.0, len(pictures) / SECONDS))
    film, loop = (folder / f"animation_{quantity.key}.{ending}" for ending in ("mp4", "gif"))
    imageio.mimsave(film, pictures, fps=rate, codec="libx264", macro_block_size=16,
                    ffmpeg_log_level="error")       # its warnings tell nothing to who draws a run
    imageio.mimsave(loop, pictures, duration=1000.0 / rate, loop=0)
    return [film, loop]
