"""Energy audit: power of supply, sides and sources against the heat of the present solution.

    (U - overpotential) duty I + sum over sides of phi I + sum over voxels of source phi
        = sum over faces of I (phi_a - phi_b) + sum over contacts of (R I - drop) I
          + overpotential of floating metal, overvoltage, heat of metal that resists along itself

The overpotential of driven rows stands on both sides and is left out; with averaged pulses both are
means of the field, duty times those of the pulse. The sums on the right are taken over the faces
of all voxels, which the solver for the potential never does.
"""

from ekm3d.diagnostics.run_view import AuditView
from ekm3d.grid.stencil import above, below, faces


def energy_error(run: AuditView) -> float | None:
    """Return |power - heat| over the heat of the field S (phi_a - phi_b)^2 [1]; collective.

    None where the potential is not solved for, or no current passes any electrode or side: what
    is left then is rounding over rounding.
    """
    if not run.physics.potential or not run.potential.boundary.solved.any():
        return None
    power, heat, scale = powers(run)
    return abs(power - heat) / scale if scale > 0.0 else None


def powers(run: AuditView) -> tuple[float, float, float]:
    """Return power in, heat out, and the heat of the field alone, taken as positive [W]."""
    potential, phi = run.potential, run.state.phi
    boundary, backend = potential.boundary, run.backend
    heat, field = (backend.zeros(run.grid.padded) for _ in range(2))
    for axis in range(3):
        drop = below(phi, axis) - above(phi, axis)
        conductance = faces(potential.conductance[axis], axis)
        faces(heat, axis)[...] += (conductance * drop + faces(potential.current[axis], axis)) * drop
        faces(field, axis)[...] += conductance * drop * drop
    in_ore, of_field = run.domain.sum(heat), run.domain.sum(field)
    into = boundary.solved
    lost = (boundary.resistance * into - boundary.drop) * into
    split = boundary.splitting * boundary.half_split * into
    if boundary.overvoltage.active:
        split = split + backend.from_numpy(boundary.overvoltage.eta) * into
    if boundary.lines.active:
        split = split + (boundary.supplied - boundary.level) * into
    power = _supplied(run, into)
    if potential.given is not None:
        power += run.domain.dot(potential.given, phi)
    return power, in_ore + float(lost.sum() + split.sum()), of_field + abs(power)


def _supplied(run, into):
    """Power of the supply without its overpotential, and of sides [W]; into: A of every face."""
    drive, contacts, power, cached = run.drive, run.contacts, 0.0, run.backend.cached
    if drive.on and drive.supplies:
        driven = cached(contacts.of_rows((*drive.anodes, *drive.cathodes)))
        power += float((run.potential.boundary.supplied * into)[driven].sum())
    elif drive.on:
        voltage = (drive.voltage if drive.current is None
                   else run.boundary_values.terminal_voltage)
        anodes = cached(contacts.of_rows(drive.anodes))
        power += drive.duty * (voltage - run.electrodes.overpotential) * float(into[anodes].sum())
    for n in range(len(run.case.sides)):
        side = cached(contacts.of_side(n))
        power += float((run.potential.boundary.level * into)[side].sum())
    return power
