"""Pictures of a run, written one after the other: what `ekm3d plot` draws."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ekm3d.view import animation, block_views, curves, extras, figures, flat_views, probe
from ekm3d.view.quantities import Quantity, chosen, standard
from ekm3d.view.run import Run
from ekm3d.view.targets import claims

Say = Callable[[str], None]
ELECTRIC = ("potential", "current", "phi", "current_density")   # drawn when power is on


@dataclass(frozen=True)
class Choice:
    """Choice of what is drawn: snapshots, fields (by default all that tell something), films.

    flat: without pyvista; timed: the snapshots were asked for, not taken by default.
    """

    snapshots: tuple[int, ...]
    fields: tuple[str, ...] = ()
    animate: bool = False
    flat: bool = False
    timed: bool = False


def pictures(run: Run, folder: Path, choice: Choice, say: Say) -> Iterator[Path]:
    """Draw and yield the path of every picture; say: is told what could not be drawn, and why.

    ViewError where matplotlib is missing, ResultsError for an unknown field.
    """
    extras.pyplot()
    quantities = chosen(run, choice.fields) if choice.fields else standard(run)
    folder.mkdir(parents=True, exist_ok=True)
    solid = not choice.flat and min(run.grid.shape) > 1
    if solid and (reason := probe.why_not()):
        say(f"no views by pyvista, drawn by matplotlib instead: {reason}")
        solid = False
    electric = powered(run, choice)
    if any(q.key in ELECTRIC for q in quantities) and (told := _off(run, choice, electric)):
        say(told)
    yield from _views(run, folder, choice, quantities, solid, run.driven(electric))
    for quantity in quantities:
        name = f"slices_{quantity.key}.png"
        at = electric if quantity.key in ELECTRIC else choice.snapshots
        yield figures.save(figures.slices(run, quantity, at), folder / name)
    if not choice.fields:
        shown = list(curves.panels(run))
        bound = curves.charge(run, claims(run))
        shown += [bound] if bound is not None else []
        if shown:
            yield figures.save(figures.curves(run.title, shown), folder / "curves.png")
        else:
            say("no curves: the run has written no series yet")
    if choice.animate:
        yield from _animations(run, folder, choice, quantities, solid, say)


def powered(run: Run, choice: Choice) -> tuple[int, ...]:
    """Return the snapshots of potential and current: the chosen ones where they were asked for.

    Else, where one of them is without power, the first, the middle and the last of all with power.
    """
    on = [n for n in range(len(run.times)) if run.is_driven(n)]
    if choice.timed or not on or {*choice.snapshots} <= {*on}:
        return choice.snapshots
    return tuple(sorted({on[0], on[len(on) // 2], on[-1]}))


def _off(run: Run, choice: Choice, electric: tuple[int, ...]) -> str:
    """Return what to say where no electrode is driven at chosen times, "" where one always is."""
    off = [n for n in choice.snapshots if not run.is_driven(n)]
    if not off or not run.rows:
        return ""

    def hours(snapshots):
        return ", ".join(figures.hour_text(run.times[n]) for n in snapshots)

    there = f"no electrode is driven at {hours(off)}: potential and current "
    return there + (f"are drawn at {hours(electric)}" if electric != choice.snapshots else
                    "there are what the diffusion of ions makes of them")


def _views(run: Run, folder: Path, choice: Choice, quantities: tuple[Quantity, ...], solid: bool,
           driven: int) -> Iterator[Path]:
    """Draw the views in three dimensions, at the last of the chosen times.

    Those of potential and current at the snapshot `driven`; of fields that were named, their blocks
    cut open.
    """
    last = choice.snapshots[-1]
    if solid:
        scenes = block_views.BlockViews(run)
        makers = {q.key: _cut_open(q) for q in quantities} if choice.fields \
            else block_views.views(run)
        for name, make in makers.items():
            n = driven if name in ELECTRIC else last
            yield block_views.picture(make(scenes, n), folder / f"view_{name}.png")
        return
    flat = {q.key: _flat(q) for q in quantities if min(run.grid.shape) > 1} \
        if choice.fields else flat_views.views(run)
    for name, draw in flat.items():
        n = driven if name in ELECTRIC else last
        yield figures.save(draw(run, n), folder / f"view_{name}.png")


def _cut_open(quantity: Quantity) -> block_views.View:
    return lambda scenes, n: scenes.cut_volume(quantity, n)


def _flat(quantity: Quantity) -> flat_views.View:
    return lambda run, n: flat_views.cut_block(run, quantity, n)


def _animations(run: Run, folder: Path, choice: Choice, quantities: tuple[Quantity, ...],
                solid: bool, say: Say) -> Iterator[Path]:
    """Draw the films of the fields that were named, else of the first."""
    if len(run.times) < 2:
        say("no animation: there is one snapshot only")
        return
    for quantity in quantities if choice.fields else quantities[:1]:
        yield from animation.animate(run, quantity, folder, solid)
