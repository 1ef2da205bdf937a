"""The kernels of the Numba backend: each module has one of them, compiled when it is first imported.

`jit` compiles and caches, `words` reaches packed columns, `parallel` runs tasks on threads; `pack`, `patterns`, `mine`,
`count` and `resample` are the engine protocol's, and `incidence` and `threefry` what resampling is made of.

Kernels release the GIL and never wait: threads, locks and the monitor are Python's business, between calls that take
milliseconds. Hence Ctrl-C, and two Python threads at once, need no more thought.
"""
