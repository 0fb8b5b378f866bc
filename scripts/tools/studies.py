"""Accuracy studies: time steps and splitting, averaged pulses, voxels, numerical diffusion.

    python scripts/tools/studies.py [--quick] [--write] [NAME ...]

Prints one Markdown section per study: cell, column, pulses, voxels, diffusion, field; all of them
without a NAME. --quick takes shorter runs; --write puts the sections into
cases/verification/studies.md and leaves those of other studies unchanged.
"""

import argparse
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from steptables import CUTS, compared, deviation, limit, table, verdict
from threadpoolctl import threadpool_limits

from ekm3d import Case, Simulation
from ekm3d.constants import F_RT, HOUR
from ekm3d.diagnostics.derived_fields import parts
from ekm3d.diagnostics.summary import summary as summarise
from ekm3d.diagnostics.time_series import TimeSeries
from ekm3d.grid.stencil import above, below, faces
from ekm3d.physics.face_interpolation import geometric_conductance
from ekm3d.physics.transport import dispersion

CASES = Path(__file__).resolve().parents[2] / "cases"
PAGE = CASES / "verification" / "studies.md"
CELL, COLUMN, FIELD = "verification/e_electrolysis_fronts", "field_column", "field_saturated"
SECOND = "schedule.order=2"


def march(case, hours, overrides=()):
    """Run a case for some hours without output; return it, its series, steps and wall time [s]."""
    begun = time.monotonic()
    sim = Simulation(Case.read(CASES / case, overrides))
    monitor, end, steps = TimeSeries(sim), hours * HOUR, []
    with threadpool_limits(1, "blas"):
        while sim.state.time < end * (1 - 1e-12):
            steps.append(sim.step(end))
            monitor.record(steps[-1])
        sim.fields()                                   # current and potential at the end itself
    return SimpleNamespace(sim=sim, monitor=monitor, steps=np.array(steps),
                           wall=time.monotonic() - begun)


def column_grid(h):
    """Overrides for a field column with voxels of h [m]; each plate takes one voxel more."""
    return [f"grid.origin=[{-h}, 0, 0]", f"grid.size=[{1 + 2 * h}, 1, 1]",
            f"grid.spacing=[{h}, 1, 1]"]


def rods_grid(h):
    """Overrides for the ore of a column between strips as rods, 10 cm wide, every 0.5 m along y.

    A unit cell of two long rows of such strips; strips in its sides x, as in the field block.
    """
    rows = ", ".join(f"{{name='{name}', rods={{x={x}, y=0.25, bottom=0, top=1.1, width=0.1, "
                     "thickness=0.005}}" for name, x in (("anode", 0), ("cathode", 1)))
    return ["grid.origin=[0, 0, 0]", "grid.size=[1, 0.5, 1.1]", f"grid.spacing=[{h}, {h}, 1.1]",
            f"electrodes.row=[{rows}]", "well.0.area=0.55", "probe=[]"]


def cell_grid(h):
    """Overrides for the 10 cm electrolysis cell with voxels of h [m]."""
    return [f"grid.origin=[{-h}, 0, 0]", f"grid.size=[{0.1 + 2 * h}, 1, 1]",
            f"grid.spacing=[{h}, 1, 1]",
            f"electrodes.row.0.plates=[[[{-h}, 0, 0], [0, 1, 1]]]",
            f"electrodes.row.1.plates=[[[0.1, 0, 0], [{0.1 + h}, 1, 1]]]"]


def finer(case, cut):
    """Overrides that divide every step by `cut`: longest step and Courant number."""
    plan = Case.read(CASES / case).schedule
    return [f"schedule.max_step={plan.max_step / cut}", f"schedule.cfl={plan.cfl / cut}"]


def along_x(sim, values):
    """Return (x [m], values) of the ore voxels of a column from an inner array (1, 1, nx)."""
    ore = sim.electrodes.ore[0, 0]
    return sim.grid.centres(2)[ore], values[0, 0][ore]


def crossing(x, values, level):
    """Return the first place [m] where a profile passes a level, linear between voxels, or nan."""
    over = values > level
    turns = np.flatnonzero(over[1:] != over[:-1])
    if not turns.size:
        return np.nan
    n = turns[0]
    return x[n] + (x[n + 1] - x[n]) * (level - values[n]) / (values[n + 1] - values[n])


def front(sim, pH):
    """Return the first place, from the anode, where the pH passes a value [m]."""
    return crossing(*along_x(sim, sim.state.pH[sim.grid.inner]), pH)


def dissolved(sim, label):
    """Return (x [m], total of a component in the water [mol/m3]) of a column."""
    k = sim.chem.labels.index(label)
    theta = np.where(sim.electrodes.ore, sim.rock.water_content[sim.grid.inner], 1.0)
    return along_x(sim, parts(sim, k)[0] / theta)


def electrolysis(run):
    """Quantities by which runs of the electrolysis cell are compared."""
    sim = run.sim
    x, acid = along_x(sim, sim.state.totals[sim.chem.hydrogen][sim.grid.inner])
    return {"voltage (V)": sim.boundary_values.terminal_voltage,
            "acid front, pH 3 (mm)": 1e3 * front(sim, 3.0),
            "base front, pH 11 (mm)": 1e3 * front(sim, 11.0),
            "acid in the cell (mol)": acid[acid > 0].sum() * sim.grid.voxel_volume,
            "Na+ beside the anode (mol/m3)": dissolved(sim, "Na+")[1][0]}


def mining(run):
    """Quantities by which runs of the field are compared."""
    sim, summary = run.sim, summarise(run.monitor, run.wall)
    into = sim.boundary_values.row_currents()
    return {"current at the end (A)": into[into > 0].sum() / sim.drive.duty,
            "charge (kC)": 1e-3 * summary["charge_C"],
            "energy (kWh)": summary["energy_kWh"],
            "recovery of REE (%)": 100 * summary["recovery_REE"],
            "REE in leachate (mg/kg)": summary["REE_leachate_mg_per_kg"],
            "REE on plate (mg/kg)": summary["REE_plate_mg_per_kg"],
            "impurities in leachate (mg/kg)": summary["impurity_mg_per_kg"],
            "N in pore water (mg/kg)": summary["residual_N_mg_per_kg"],
            "acid front, pH 4 (mm)": 1e3 * front(sim, 4.0)}


def cell(quick):
    """Steps and splitting: electrolysis of sodium sulfate"""
    hours, h = (0.5, 5e-3) if quick else (2.0, 2e-3)
    runs = [march(CELL, hours, [*cell_grid(h), *finer(CELL, cut)])
            for cut in CUTS[:3 if quick else 4]]
    lines, errors = compared(runs, electrolysis)
    yield (f"Case `{CELL}` with HSO4-, {1e3 * h:g} mm, after {hours:g} h. All steps are "
           "divided alike, both `max_step` and `cfl`; here `cfl` sets them. The column dt = 0 "
           "extrapolates the two shortest with first order, and the error is taken from there.")
    yield from lines
    yield verdict(errors, runs[0].steps.mean())
    second = [march(CELL, hours, [*cell_grid(h), *finer(CELL, cut), SECOND])
              for cut in CUTS[:3]]
    yield ""
    yield "The same with `schedule.order` = 2, each step at twice the work:"
    yield from compared(second, electrolysis, 2)[0]


def column(quick):
    """Steps and splitting: the field column"""
    hours = 24 if quick else 132
    runs = [march(COLUMN, hours, finer(COLUMN, cut)) for cut in CUTS[:3 if quick else 4]]
    lines, errors = compared(runs, mining)
    yield (f"Case `field_column`, 2.5 cm, after {hours} h, `max_step` = 30 min and `cfl` = 0.9 "
           "divided alike.")
    yield from lines
    sim = runs[0].sim
    renewed = sim.electrodes.volume[-1] / sim.flow.out.sum()
    yield (f"{verdict(errors, runs[0].steps.mean())} The catholyte is renewed every {renewed:.0f} "
           "s, the fastest process of the run.")
    yield ""
    yield "Each of the two limits alone, error relative to dt = 0 (%):"
    exact = {name: limit([mining(r)[name] for r in runs]) for name in errors}
    settings = [("30 min", 0.9), ("30 min", 0.45), ("15 min", 0.9), ("5 min", 0.9)]
    tried = [march(COLUMN, hours, [f"schedule.max_step={m}", f"schedule.cfl={c}"])
             for m, c in settings[:3 if quick else 4]]
    rows = [[name, *(deviation(mining(run)[name], value) for run in tried)]
            for name, value in exact.items()]
    head = ["quantity", *(f"{m}, cfl {c}: {run.steps.size} steps"
                          for (m, c), run in zip(settings, tried, strict=False))]
    yield from table(head, rows)
    yield "With `schedule.order` = 2 (catholytes stay first order within a step):"
    second = [march(COLUMN, hours, [*finer(COLUMN, cut), SECOND]) for cut in CUTS[:3]]
    yield from compared(second, mining)[0]


def pulses(quick):
    """Pulses: averaged against resolved"""
    hours, step = (24, 300) if quick else (48, 200)
    minutes = [10, 30, 120, 720] if quick else [5, 10, 20, 30, 60, 120, 240, 720]
    same = [f"schedule.max_step={step}"]

    def run(period, how):
        on = 40.0 * period                    # s: two thirds of the period
        return march(COLUMN, hours, [
            *same, f"schedule.pulses={how}",
            f"schedule.stage.0.pulse={{on = {on}, off = {on / 2}}}"])

    mean = mining(run(minutes[0], "averaged"))
    names = [n for n in mean if n not in ("current at the end (A)", "acid front, pH 4 (mm)")]
    rows = []
    for period in minutes:
        found = mining(run(period, "resolved"))
        rows.append([f"{period} min", *(deviation(mean[n], found[n]) for n in names),
                     f"{mean['acid front, pH 4 (mm)'] - found['acid front, pH 4 (mm)']:+.2g}"])
    yield (f"Case `field_column` over {hours} h, whole periods, with the power on for two thirds "
           f"of the time; steps of {step} s or less in both runs, so that their errors nearly "
           "cancel. Averaged minus resolved, in % of resolved; the front in mm. "
           f"Averaged run: {', '.join(f'{n} {mean[n]:.4g}' for n in mean)}.")
    head = ["period", *(n.split(" (")[0] for n in names), "acid front (mm)"]
    yield from table(head, rows)
    worst = {row[0]: max(abs(float(cell)) for cell in row[1:-1] if cell != "-")
             for row in rows}
    yield "Largest difference in %: " + ", ".join(
        f"{v:.2g} at {period}" for period, v in worst.items()) + "."


def voxels(quick):
    """Voxels: current between plates and between rods"""
    hours = 24 if quick else 132
    sizes = [0.1, 0.05] if quick else [0.1, 0.05, 0.025, 0.0125]
    for name, grid, count in (("plates, the field column", column_grid, 4),
                              ("strips as rods", rods_grid, 3)):
        begin = [mining(march(COLUMN, 0, grid(h)))["current at the end (A)"] for h in sizes]
        found = [mining(march(COLUMN, hours, grid(h))) for h in sizes[:count]]
        end, gone = ([one[key] for one in found]
                     for key in ("current at the end (A)", "recovery of REE (%)"))
        rows = [[f"{100 * h:g} cm", *cells(begin, n), *cells(end, n), *cells(gone, n)]
                for n, h in enumerate(sizes)]
        yield f"Between {name}, {hours} h:"
        yield from table(["voxel", "start current (A)", "over the finest (%)", "end current (A)",
                          "over the finest (%)", "recovery (%)", "over the finest (%)"], rows)
    yield ("Strips are 10 cm wide, 5 mm thick, 1.1 m high, 1 m apart and 0.5 m from their "
           "neighbours; each has 18 ohm of contact. Half a voxel before the catholyte has the "
           "anions of its water, which makes coarse voxels start low.")


def cells(values, n):
    """Cells of value n and of its difference to the last one, empty where there is none."""
    if n >= len(values):
        return ["", ""]
    return [f"{values[n]:.5g}", f"{100 * (values[n] / values[-1] - 1):+.2f}"]


def smearing(sim):
    """Return {label: diffusivities (scheme, molecular, dispersion)} per area of rock [m2/s].

    scheme: flux of the model minus the flux with the mean of both sides at every face (numerical
    diffusion); molecular: theta tau f D of all species; dispersion: alpha |q|. Each is
    D = -sum J dC / sum (A/h) dC^2 over all faces, with the change dC of the component's total in
    the water across the face.
    """
    s, g, chem = sim.state, sim.grid, sim.chem
    sim.transport.keep_flux()
    sim.transport.prepare(s, sim.potential, sim.flow)
    scale, drift = chem.diffusion[:, None, None, None], (chem.z * F_RT)[:, None, None, None]
    lost, norm = np.zeros((3, len(chem.components))), np.zeros(len(chem.components))
    for axis in range(3):
        geometric = geometric_conductance(s.transport_factor, g, axis)
        low, high = below(s.c, axis), above(s.c, axis)
        middle, change = 0.5 * (low + high), (high - low) * (geometric > 0)
        drop = below(s.phi, axis) - above(s.phi, axis)
        central = (scale * geometric * drift * drop + faces(sim.flow.water[axis], axis)) * middle
        spread = dispersion(sim.rock.dispersivity, sim.flow.water, g, axis)
        molecular, dispersed, central, change = (
            np.tensordot(chem.nu.T, flux, 1)
            for flux in (-scale * geometric * change, -spread * change, central, change))
        scheme = faces(sim.transport.flux[axis], axis) - central - molecular - dispersed
        lost -= [(flux * change).sum((1, 2, 3)) for flux in (scheme, molecular, dispersed)]
        norm += g.face_area(axis) / g.spacing_along(axis) * (change**2).sum((1, 2, 3))
    return dict(zip(chem.labels, (lost / np.where(norm > 0, norm, 1.0)).T, strict=True))


DIFFUSIVITIES = ("scheme SO4", "scheme NH4", "scheme LREE", "scheme HCO3",
                 "theta tau D of LREE", "alpha q")


def diffusivities(sim):
    """Cells of the columns DIFFUSIVITIES."""
    d = smearing(sim)
    values = [d[k][0] for k in ("SO4", "NH4", "LREE", "HCO3")] + list(d["LREE"][1:])
    return [f"{v:.2e}" for v in values]


def times_physical(rows):
    """Sentence with the numerical diffusion of LREE in units of the physical diffusivities."""
    said = []
    for row in rows:
        scheme, molecular, dispersion = float(row[-4]), float(row[-2]), float(row[-1])
        said.append(f"{' '.join(row[:2])}: {scheme / molecular:.3g} and "
                    f"{scheme / dispersion:.2g}")
    return ("Numerical diffusion of LREE in units of theta tau D and of alpha q: "
            + "; ".join(said) + ".")


def diffusion(quick):
    """Numerical diffusion: upwind and blended on the field column"""
    hours, sizes = (48, [0.05, 0.025]) if quick else (132, [0.1, 0.05, 0.025])
    plan = [(h, scheme) for h in sizes for scheme in ("upwind", "blended")]
    plan += [] if quick else [(0.0125, "blended")]
    start = dissolved(march(COLUMN, 0, column_grid(0.1)).sim, "SO4")[1].mean()
    rows = []
    for h, scheme in plan:
        run = march(COLUMN, hours, [*column_grid(h), f"physics.scheme={scheme}",
                                    "schedule.max_step=10 min"])
        sim, found = run.sim, summarise(run.monitor, run.wall)
        x, c = dissolved(sim, "SO4")
        rows.append([f"{100 * h:g} cm", scheme, f"{100 * found['recovery_REE']:.3f}",
                     f"{100 * found['removal_REE_mean']:.3f}",
                     f"{1e3 * crossing(x, c, 0.5 * start):.0f}",
                     f"{1e3 * (crossing(x, c, 0.75 * start) - crossing(x, c, 0.25 * start)):.0f}",
                     f"{1e3 * front(sim, 4.0):.1f}",
                     f"{1e3 * (front(sim, 4.5) - front(sim, 3.5)):.1f}", *diffusivities(sim)])
    yield (f"Case `field_column` after {hours} h, steps of 10 min or less. SO4: place of half the "
           "initial value, width from 25 to 75 % of it; acid: place of pH 4, width from pH 3.5 to "
           "4.5. Diffusivities in m2/s per area of rock, from the gradients at the end: numerical "
           "diffusion of the scheme compared with central face concentrations (HCO3 is CO2 here, "
           "which moves with the water only), and the physical diffusivities.")
    head = ["voxel", "scheme", "recovery (%)", "removal (%)", "SO4 at (mm)", "SO4 width (mm)",
            "acid at (mm)", "acid width (mm)", *DIFFUSIVITIES]
    yield from table(head, rows)
    yield times_physical(rows)


def field(quick):
    """Numerical diffusion: upwind and blended on the field block"""
    hours, h = (12, 0.25) if quick else (48, 0.125)
    rows = []
    for scheme in ("upwind", "blended"):
        run = march(FIELD, hours, [f"grid.spacing={h}", f"physics.scheme={scheme}"])
        found = summarise(run.monitor, run.wall)
        rows.append([f"{100 * h:g} cm", scheme, f"{100 * found['recovery_REE']:.3f}",
                     f"{100 * found['removal_REE_mean']:.3f}",
                     f"{100 * found['removal_REE_max']:.2f}", f"{found['energy_kWh']:.4f}",
                     f"{found['impurity_mg_per_kg']:.3f}", f"{found['pH_min']:.2f}",
                     *diffusivities(run.sim)])
    yield (f"Case `field_saturated` after {hours} h of stage 1, with the steps of the case. "
           "Diffusivities as in the column.")
    head = ["voxel", "scheme", "recovery (%)", "removal, mean of points (%)",
            "removal, highest (%)", "energy (kWh)", "impurities (mg/kg)", "lowest pH",
            *DIFFUSIVITIES]
    yield from table(head, rows)
    yield times_physical(rows)


STUDIES = {study.__name__: study for study in (cell, column, pulses, voxels, diffusion,
                                                    field)}


def section(name, quick):
    """Lines of the section of a study."""
    begun = time.monotonic()
    body = "\n".join(STUDIES[name](quick)).strip().splitlines()
    flag = " --quick" if quick else ""
    return [f"## {STUDIES[name].__doc__}", "", *body, "",
            f"`python scripts/tools/studies.py{flag} {name}` "
            f"({time.monotonic() - begun:.0f} s)", ""]


def merge(page, sections):
    """Text of the page with sections {heading: lines} replaced, in the order of STUDIES."""
    kept, heading = {}, None
    for line in page.splitlines():
        heading = line if line.startswith("## ") else heading
        if heading:
            kept.setdefault(heading, []).append(line)
    kept |= sections
    order = [f"## {study.__doc__}" for study in STUDIES.values()]
    lines = ["# Accuracy studies", "", "Written by `python scripts/tools/studies.py --write`; the "
             "numbers are unedited.", ""]
    for heading in order:
        lines += kept.get(heading, [])
        if lines[-1]:
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def main(arguments=None):
    """Run the studies named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help=f"one of {', '.join(STUDIES)}; default: all")
    parser.add_argument("--quick", action="store_true", help="shorter runs, coarser grids")
    parser.add_argument("--write", action="store_true", help=f"put the sections into {PAGE.name}")
    options = parser.parse_args(arguments)
    wrong = [name for name in options.names if name not in STUDIES]
    if wrong:
        parser.error(f"no study {wrong[0]!r}; there are {', '.join(STUDIES)}")
    for name in options.names or STUDIES:
        lines = section(name, options.quick)
        print("\n".join(lines), flush=True)
        if options.write:
            page = PAGE.read_text() if PAGE.exists() else ""
            PAGE.write_text(merge(page, {lines[0]: lines}))


if __name__ == "__main__":
    main()
