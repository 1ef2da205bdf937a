"""What `benchmarks/compare_peers.py` compares: one module per kind of work, and the machinery to run and report it.

Libraries are imported by the contestants that use them and nowhere else, so that asv, which imports every module below
`benchmarks`, needs none of them.
"""
