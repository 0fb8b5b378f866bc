"""Updates of pressure heads in unsaturated water, and runs of rock that is dry and coarse."""

import numpy as np
import pytest

from ekm3d import Case, Simulation, retention_curves
from ekm3d.grid.grid import GHOST, Grid
from ekm3d.physics.head_update import (
    DRY,
    HALVINGS,
    cause_of_failure,
    drained_head,
    update_heads,
)
from ekm3d.retention_curves import MODELS, PARAMETERS

# Carsel and Parrish (1988), Water Resour. Res. 24, 755: residual, saturated, alpha [1/m], n, K_s
# [cm/d] of their twelve soils.
SOILS = {"sand": (0.045, 0.43, 14.5, 2.68, 712.8), "loamy sand": (0.057, 0.41, 12.4, 2.28, 350.2),
         "sandy loam": (0.065, 0.41, 7.5, 1.89, 106.1), "loam": (0.078, 0.43, 3.6, 1.56, 24.96),
         "silt": (0.034, 0.46, 1.6, 1.37, 6.0), "silt loam": (0.067, 0.45, 2.0, 1.41, 10.8),
         "sandy clay loam": (0.100, 0.39, 5.9, 1.48, 31.44),
         "clay loam": (0.095, 0.41, 1.9, 1.31, 6.24),
         "silty clay loam": (0.089, 0.43, 1.0, 1.23, 1.68),
         "sandy clay": (0.100, 0.38, 2.7, 1.23, 2.88), "silty clay": (0.070, 0.36, 0.5, 1.09, 0.48),
         "clay": (0.068, 0.38, 0.8, 1.09, 4.8)}
CURVES = {"van Genuchten": dict(model=1.0, alpha=14.5, n=2.68, residual=0.045, saturated=0.43),
          "air entry": dict(model=1.0, alpha=2.7, n=1.23, residual=0.1, saturated=0.38,
                            air_entry=0.02),
          "Gardner": dict(model=2.0, alpha=10.0, residual=0.05, saturated=0.4),
          "Brooks-Corey": dict(model=3.0, alpha=10.0, n=2.0, residual=0.05, saturated=0.4),
          "two modes": dict(model=1.0, alpha=14.0, n=2.5, residual=0.05, saturated=0.43,
                            alpha_2=0.5, n_2=1.6, share_2=0.4)}


def curve(size, values):
    """Return a complete curve (parameters, 1, 1, size)."""
    usual = {"n": 2.0, "alpha_2": 1.0, "n_2": 2.0, "connectivity": 0.5}
    out = np.array([np.full((1, 1, size), values.get(name, usual.get(name, 0.0)))
                    for name in PARAMETERS])
    retention_curves.complete(out)
    return out


def updated(psi, delta, values):
    """Return pressure heads [m] after changes delta; arrays (n,)."""
    g = Grid((psi.size, 1, 1), (1.0, 1.0, 1.0))
    padded = [np.pad(a.reshape(1, 1, -1), GHOST, mode="edge") for a in (delta, psi)]
    c = np.array([np.pad(part, GHOST, mode="edge") for part in curve(psi.size, values)])
    saturation, slope, relative = retention_curves.effective(padded[1], c)
    width = c[retention_curves.SATURATED] - c[retention_curves.RESIDUAL]
    out = np.full(g.padded, np.nan)
    update_heads(g, *padded, c[retention_curves.RESIDUAL] + width * saturation, width * slope,
                 relative, c, drained_head(c), out)
    return out[g.inner].ravel()


def content(psi, values):
    """Return theta [1] at pressure heads (n,)."""
    return retention_curves.water_content(psi, curve(psi.size, values)[:, 0, 0])


@pytest.mark.parametrize("name", [n for n in CURVES if n != "two modes"])
def test_a_suction_gives_its_saturation(name):
    """S_e(s(S_e)) = S_e, from a ten-thousandth to nearly full."""
    wanted = np.array([1e-4, 0.03, 0.4, 0.9, 1 - 1e-6])
    own = curve(wanted.size, CURVES[name])[:, 0, 0]
    found = retention_curves.suction(wanted, own)
    assert np.allclose(retention_curves.effective(-found, own)[0], wanted, rtol=1e-9)
    assert (found >= retention_curves.air_entry(own)).all()


@pytest.mark.parametrize("name", CURVES)
def test_water_that_comes_to_dry_rock_wets_it_by_as_much(name):
    """An increment that would fill the pores adds C delta to the content, no more.

    Two modes: to what so many halvings of ln s over a factor of 1e4 leave.
    """
    psi = np.array([-3.0, -5.0, -10.0])
    own = curve(3, CURVES[name])[:, 0, 0]
    saturation, slope, _ = retention_curves.effective(psi, own)
    capacity = slope * (own[retention_curves.SATURATED] - own[retention_curves.RESIDUAL])
    delta = 0.1 / capacity                                          # 0.1 of the content
    assert (delta > 0.1 * -psi).all() and (saturation < 0.75).all()
    left = 1e-9 if name != "two modes" else 10 * 2.0**-HALVINGS
    after = updated(psi, delta, CURVES[name])
    assert np.allclose(content(after, CURVES[name]), content(psi, CURVES[name]) + 0.1, rtol=left)


@pytest.mark.parametrize("name", CURVES)
def test_a_small_increment_is_taken_as_it_is(name):
    """So that iterations end as Newton's method does."""
    psi = np.array([-0.2, -1.0, -20.0])
    for delta in (0.04 * psi, -0.04 * psi):
        assert (updated(psi, delta, CURVES[name]) == psi + delta).all()


@pytest.mark.parametrize("name", CURVES)
def test_an_iteration_leaves_a_part_of_the_water(name):
    """A tenth of what is above the residual content; dry rock ends at ten times its suction."""
    psi = np.array([-0.3, -3.0])
    after = updated(psi, np.full(2, -1e9), CURVES[name])
    residual = CURVES[name]["residual"]
    share = (content(after, CURVES[name]) - residual) / (content(psi, CURVES[name]) - residual)
    assert (share > DRY * (1 - 1e-3)).all() and (after >= 10 * psi).all() and (after < psi).all()


@pytest.mark.parametrize("values", [dict(model=3.0, alpha=0.5, n=1.0, saturated=0.4),
                                    dict(CURVES["air entry"], air_entry=0.5)])
def test_full_pores_drain_beyond_a_large_air_entry_value(values):
    """The head to which an iteration may drain them is not within the fringe, where it would stay.
    """
    psi = np.array([0.1, -0.3, -0.45])
    after = updated(psi, np.full(3, -10.0), values)
    entry = float(retention_curves.air_entry(curve(1, values)).max())
    assert (after < -entry).all() and (content(after, values) < values["saturated"]).all()


def test_full_pores_drain_to_nine_tenths_and_dry_ones_fill_with_what_is_left():
    """Sand: S_e of 0.9 at -4.3 cm; above 0 by the integral of K_r that the increment has left."""
    sand = CURVES["van Genuchten"]
    after = updated(np.array([0.5, 0.0, 0.5]), np.array([-3.0, -3.0, -0.1]), sand)
    assert np.allclose((content(after[:2], sand) - 0.045) / 0.385, 0.9)
    assert after[2] == 0.4
    k = float(retention_curves.effective(np.array([-0.1]), curve(1, sand)[:, 0, 0])[2][0])
    found = updated(np.array([-0.1]), np.array([5.0]), sand)[0]
    assert np.isclose(found, 5.0 * k - 0.05 * (1 + k)) and found > 0.0


CASE = """[physics]
potential = false
transport = false
chemistry = false
[grid]
size = ["4 cm", "4 cm", "1 m"]
spacing = "4 cm"
[ore]
porosity = {saturated}
tortuosity = 0.67
permeability = "{conductivity} cm/d"
[ore.retention]
pressure_head = "{psi} m"
residual = {residual}
{curve}
[chemistry.inline]
activity = {{ model = "ideal", water_activity = 0.0 }}
mobility = {{ model = "sqrt", coefficient = 0.0 }}
component = [
  {{ name = "Na+", charge = 1, molar_mass = 22.99, diffusion = 1.0e-9, source = "own" }},
  {{ name = "Cl-", charge = -1, molar_mass = 35.45, diffusion = 1.0e-9, source = "own" }},
]
[[boundary]]
name = "rain"
kind = "rain"
face = "z+"
rate = "5 mm/h"
ponding = "1 cm"
[schedule]
max_step = "1 h"
[[schedule.stage]]
name = "rain"
duration = "{hours} h"
"""


def rain(folder, backend="cpp", hours=48, **values):
    """Run a column under rain; return the simulation and the number of sub-steps."""
    (folder / "case.toml").write_text(CASE.format(hours=hours, **values))
    sim = Simulation(Case.read(folder), backend)
    substeps = 0
    for _ in sim.steps():
        substeps += sim.flow.substeps
    return sim, substeps


def soil(name, psi, more=""):
    """Values of one of SOILS from a pressure head [m] on."""
    residual, saturated, alpha, n, k = SOILS[name]
    return dict(residual=residual, saturated=saturated, conductivity=k, psi=psi,
                curve=f'alpha = "{alpha} 1/m"\nn = {n}\n{more}')


def assert_wetted(sim, values, hours=48):
    """The rain, 5 mm/h, is in the column or ran off; the water closes; heads are sane."""
    inner = sim.grid.inner
    entered = float(sim.balances.budget.water_in[0] - sim.balances.budget.water_out[0])
    offered = 5e-3 * hours * 0.04**2
    assert np.isclose(entered + sim.balances.budget.water_out[0]
                      + float(sim.balances.budget.runoff[0]), offered, rtol=1e-12)
    assert sim.balances.water_max < 1e-10
    psi = (sim.state.head - sim.flow.z)[inner]
    assert (psi >= 1.001 * values["psi"]).all() and psi.max() < 1.2


HARD_SOILS = [("sand", -10), ("sand", -100), ("loamy sand", -100), ("silt", -100)]


@pytest.mark.parametrize("name, psi", HARD_SOILS)
def test_rain_on_dry_soil(tmp_path, name, psi):
    """Sand from -10 m found no solution; the sub-steps were 286 for loamy sand from -100 m."""
    sim, substeps = rain(tmp_path, **soil(name, psi))
    assert_wetted(sim, soil(name, psi))
    assert substeps < 250


@pytest.mark.slow
@pytest.mark.parametrize("psi", [-1, -10, -100])
@pytest.mark.parametrize("name", SOILS)
def test_rain_on_every_soil_of_carsel_and_parrish(tmp_path, name, psi):
    """The finest three with 2 cm of air entry: without, K has no finite slope at full pores."""
    values = soil(name, psi, 'air_entry = "2 cm"' if SOILS[name][3] < 1.24 else "")
    sim, substeps = rain(tmp_path, **values)
    assert_wetted(sim, values)
    assert substeps < 250


STEEP = {"van Genuchten, n 10": (-10, 'alpha = "14 1/m"\nn = 10'),
         "Gardner, 10": (-10, 'model = "Gardner"\nalpha = "10 1/m"'),
         "Gardner, 20, no K left": (-100, 'model = "Gardner"\nalpha = "20 1/m"'),
         "Gardner, 50": (-2, 'model = "Gardner"\nalpha = "50 1/m"'),
         "Brooks-Corey, 5": (-10, 'model = "Brooks-Corey"\nalpha = "10 1/m"\nn = 5'),
         "two modes": (-50, 'alpha = "14 1/m"\nn = 2.5\nalpha_2 = "0.5 1/m"\nn_2 = 1.6\n'
                       'share_2 = 0.4')}


STEEP_VALUES = dict(residual=0.05, saturated=0.43, conductivity=700)


@pytest.mark.parametrize("name", STEEP)
def test_rain_on_steep_curves(tmp_path, name):
    """Dry to S_e of 1e-43; all but two modes found no solution when increments were heads."""
    values = dict(STEEP_VALUES, psi=STEEP[name][0], curve=STEEP[name][1])
    sim, substeps = rain(tmp_path, **values)
    assert_wetted(sim, values)
    assert substeps < 450


def test_numpy_takes_the_same_sub_steps(tmp_path):
    """Sand, to 6 h: contents alike to what residuals leave."""
    found = [rain(tmp_path, backend, 6, **soil("sand", -10)) for backend in ("cpp", "numpy")]
    (one, steps), (two, others) = found
    assert steps == others
    inner = one.grid.inner
    assert np.abs(one.state.water_content - two.state.water_content)[inner].max() < 1e-8


def test_the_front_in_dry_sand_does_not_depend_on_the_sub_steps(tmp_path):
    """5 mm/h for 12 h are 6 cm of water, all of it in the sand: where K carries 5 mm/h above."""
    sim, _ = rain(tmp_path, hours=12, **soil("sand", -10))
    fine, _ = rain(tmp_path, hours=12, **soil("sand", -10, "tolerance = 1e-4"))
    inner = sim.grid.inner
    assert np.abs(sim.state.water_content - fine.state.water_content)[inner].max() < 0.02
    behind = float(sim.state.water_content[inner][-3, 0, 0])
    own = curve(1, CURVES["van Genuchten"])[:, 0, 0]
    k = retention_curves.effective(retention_curves.pressure_head(np.array([behind]), own), own)[2]
    assert np.isclose(float(k[0]) * 7.128, 24 * 0.005, rtol=0.02)            # m/d


def test_dry_rock_may_owe_water_until_some_comes(tmp_path):
    """3e-5 below the residual content, which late iterations may leave: no head settles that."""
    values = dict(STEEP_VALUES, psi=-30, curve='model = "Gardner"\nalpha = "5 1/m"')
    values["conductivity"] = 20
    (tmp_path / "case.toml").write_text(CASE.format(hours=1, **values))
    sim = Simulation(Case.read(tmp_path), "cpp")
    before = float(sim.state.water_content[sim.grid.inner].sum())
    sim.state.water_content[GHOST + 2, GHOST, GHOST] -= 3e-5
    for _ in sim.steps():
        assert sim.flow.substeps < 50
    inner = sim.grid.inner
    gained = float(sim.state.water_content[inner].sum()) - before + 3e-5
    assert np.isclose(gained, 5e-3 / 0.04, rtol=1e-9)               # an hour of rain, in voxels
    assert (sim.state.head - sim.flow.z)[inner].min() >= -1e6


def test_steps_that_are_bounded_pass_as_much_time_as_water(tmp_path):
    """As after a step that failed: half of what is left, where the bound is more than that."""
    (tmp_path / "case.toml").write_text(CASE.format(hours=1, **soil("loam", -1)))
    sim = Simulation(Case.read(tmp_path), "cpp")
    sim.longest = 2160.0
    for _ in sim.steps():
        assert sim.balances.water_error() < 1e-12


def test_models_are_all_here():
    """A new model of curves needs an update, too."""
    assert {CURVES[name]["model"] for name in CURVES} == set(MODELS.values())


def test_a_failure_tells_what_would_help():
    """Full pores that still gain, dry ones that still lose, and iterations that do not end."""
    assert "more water enters" in cause_of_failure(0.3, 1e-6)
    assert "more water is drawn" in cause_of_failure(-1e5, -1e-6)
    assert all("ore.retention.osmosis" in cause_of_failure(psi, -1e-6) for psi in (-1e5, -150.0))
    assert "iterations" in cause_of_failure(-150.0, -1e-6)
    assert "air_entry" in cause_of_failure(-0.3, 1e-6)
