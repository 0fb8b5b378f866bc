"""Balances, inventory, time series and derived fields of a running simulation."""
