"""Is the number right? Audit a population whose amplification is known."""

import numpy as np

import askew

made = askew.datasets.make_annotations(100_000, n_attributes=10, density=0.2, amplification=0.1, rng=0)
estimate = askew.directional(made.train, made.test, made.pred, direction="group->attribute", n_resamples=1000, rng=0)

low, high = estimate.confidence_interval
print(f"in the population: {np.abs(made.amplification).mean():.4f}")
print(f"estimated:         {float(estimate):.4f} [{low:.4f}, {high:.4f}]")

cells = estimate.cell_values
inside = (cells.low <= made.amplification) & (made.amplification <= cells.high)
print(f"95 % intervals of single cells that hold the true Δ: {inside.sum()} of {inside.size}")
