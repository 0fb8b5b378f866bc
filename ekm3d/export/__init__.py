"""Results in the formats of mines: what every block of their model held and has lost."""
