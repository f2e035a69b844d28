"""Write generated data (two classes, 50 float columns) as Parquet: `made_table.py PATH ROWS`.

It is a separate process: on Linux, the peak memory of a process includes that of the process that
forked it, so the measuring process must stay small.
"""

import sys

import numpy as np
import pandas as pd

path, rows = sys.argv[1], int(sys.argv[2])
random = np.random.default_rng(0)
frame = pd.DataFrame(random.normal(size=(rows, 50)), columns=[f"x{i}" for i in range(50)])
noisy = frame["x0"] - 0.5 * frame["x1"] + random.normal(size=rows)
frame["label"] = np.where(noisy > 0, "yes", "no")
frame.to_parquet(path, index=False)
