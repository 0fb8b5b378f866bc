"""Flags of the host's compiler for runs whose bits are not compared: a tenth of the time."""

from ekm3d.backends.cpp_compiler import FLAGS

QUICK = tuple("-Og" if flag == "-O3" else flag for flag in FLAGS)
