"""RT/F at the temperature of a case: diffusion potential, conductivity and drift."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.salt_columns import ON, Block, plates

from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.constants import F_RT, FARADAY, GAS_CONSTANT, TEMPERATURE
from ekm3d.physics.electrolyte import Electrolyte
from ekm3d.physics.potential import Potential
from ekm3d.physics.transport import Transport

CELLS, SPACING = (12, 1, 1), (1e-2, 1e-2, 1e-2)
IONS = {"Na+": (1, 1.3e-9), "Cl-": (-1, 2.0e-9)}


def at(kelvin, ions=IONS, rows=()):
    """A column of salt at a temperature; D as at 25 C, so that RT/F alone differs."""
    block = Block(CELLS, SPACING, ions, theta=0.4, mobility=0.12, rows=rows)
    options = replace(block.transport.options, inverse_temperature=TEMPERATURE / kelvin)
    given = block.grid, block.transport.backend, block.transport.domain, block.chem
    block.potential = Potential(*given, block.contacts, options)
    block.transport = Transport(*given, block.rock, block.contacts, block.wells, options)
    block.transport.keep_flux()
    block.electrolyte = Electrolyte(*given, block.rock,
                                    inverse_temperature=options.inverse_temperature)
    return block


@pytest.mark.parametrize("kelvin", [273.15, 298.15, 333.15])
def test_diffusion_potential_is_proportional_to_temperature(kelvin):
    """Between 1 and 2 mol/m3 of one salt at rest: phi_1 - phi_2 = RT/F (t+ - t-) ln(c_2/c_1) up to
    the scheme's face concentrations, the same at every temperature: relative to 25 C exactly T/T0.
    """
    def drop(temperature):
        block = at(temperature)
        profile = np.where(np.arange(CELLS[0]) < 6, 1.0, 2.0)
        block.fill(profile, profile)
        block.solve()
        phi = block.state.phi[block.grid.inner][0, 0]
        return phi[0] - phi[-1]
    law = GAS_CONSTANT * kelvin / FARADAY * (1.3 - 2.0) / (1.3 + 2.0) * np.log(2 / 1)
    assert drop(kelvin) / drop(298.15) == pytest.approx(kelvin / TEMPERATURE, rel=1e-9)
    assert drop(kelvin) == pytest.approx(law, rel=0.1)


@pytest.mark.parametrize("kelvin", [283.15, 298.15, 323.15])
def test_current_and_drift_follow_the_inverse_temperature(kelvin):
    """sigma = F^2/(RT) sum z^2 D c: of voxels, and of the current between plates; and the ions that
    carry it: sum z F flux is that current. Tolerances of the elliptic solver."""
    block = at(kelvin, rows=plates(CELLS, SPACING))
    block.fill(1.0, 1.0, tank=[1, 1])
    block.solve(ON, 60.0)
    block.prepare()
    sigma = FARADAY * F_RT * TEMPERATURE / kelvin * 0.12 * 3.3e-9
    block.electrolyte.update(block.state, 60.0)
    assert block.electrolyte.sigma[block.grid.inner][0, 0, 5] == pytest.approx(sigma, rel=1e-12)
    phi = block.state.phi[block.grid.inner][0, 0]
    current = sigma * (phi[5] - phi[6]) / SPACING[0] * SPACING[1] * SPACING[2]
    into = block.potential.into_ore
    assert into[into > 0].sum() == pytest.approx(current, rel=1e-8)
    carried = FARADAY * sum(z * block.flux(n, 2)[0, 0, 6] for n, (z, _) in enumerate(
        IONS.values()))
    assert carried == pytest.approx(current, rel=1e-8)


def test_the_temperature_reaches_the_potential():
    """298.15 K / T of the chemical system; exactly 1 at 25 C, so that no bit changes there."""
    assert ChemicalSystem.__dataclass_fields__["temperature"].default == TEMPERATURE
    assert at(TEMPERATURE).potential.reduced_phi is None
