"""Measurements of the running system: real processes, real sockets, CPU time from the kernel's own account."""
