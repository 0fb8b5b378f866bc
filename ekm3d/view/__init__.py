"""Pictures and reports of finished runs: they read results, never a simulation."""
