"""Electrodes, boundary faces, wells and the schedule that drives them."""
