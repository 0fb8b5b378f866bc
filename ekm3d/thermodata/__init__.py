"""Thermodynamic data: databases, PHREEQC files, chemical formulas."""
