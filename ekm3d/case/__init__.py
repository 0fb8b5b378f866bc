"""Case directories: case.toml to checked plain data; a section [x] is read by case/x.py."""
