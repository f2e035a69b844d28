"""NumPy's own files: equal where type, shape and values are."""

from typing import IO

import numpy as np

from reprise.record.digest import sha256_array


def npy(file: IO[bytes]) -> bytes:
    """Return the digest of the array in a `.npy` file.

    Raises
    ------
    ValueError
        If it holds Python objects, which only a pickle can bring back.
    """
    array = np.load(file, allow_pickle=False)
    return sha256_array(array).encode()
