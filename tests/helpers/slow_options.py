"""Overrides for the salt block: kinetics, slow sites, immobile water, a responding medium."""

LIME = 'ore.minerals={CaCO3="0.02 mol/kg"}'
SLOW = ('chemistry.kinetics=[{mineral="CaCO3", rate="1e-5 1/s"}, {sites=0.4, rate="2e-5 1/s"}]',
        LIME)
SURFACE = ('chemistry.kinetics=[{mineral="CaCO3", law="transition state", area="1 m2/g", '
           'acid={rate="1e-3 mol/m2/s", order=1.0}, neutral={rate="1e-9 mol/m2/s"}, '
           'seed="1e-6 mol/kg"}]')
STILL = 'ore.immobile={share=0.3, rate="1e-5 1/s"}'
MEDIUM = ('physics.medium={porosity=true, molar_volume={"CaCO3"="36.9 cm3/mol", '
          '"Al(OH)3"="32 cm3/mol", "LREE(OH)3"="55 cm3/mol", "HREE(OH)3"="50 cm3/mol"}, '
          'permeability="kozeny-carman", tortuosity=0.33}')
CARRIERS = (STILL, "ore.tortuosity=[0.6, 0.4, 0.2]", "ore.surface_mobility=0.02",
            "ore.permeability=['3e-7 m/s', '2e-7 m/s', '1e-7 m/s']", "ore.dispersivity='5 cm'",
            "ore.transverse_dispersivity='1 cm'")      # beside the moving water, and directions
NO_OSMOSIS = "ore.electroosmotic_permeability=0"
ZETA = 'physics.medium={zeta=[[2.0, "0 mV"], [9.0, "-40 mV"]], zeta_per_decade=-0.2}'
