"""Verification: cases held against their references."""
