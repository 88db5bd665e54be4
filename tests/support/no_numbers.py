"""Two values of each sort that is no number, by the name that refusals give it."""

import numpy as np

NO_NUMBERS = {
    "dates": np.array([0, 1], dtype="datetime64[s]"),
    "durations": np.array([0, 1], dtype="timedelta64[s]"),
    "text": np.array(["0", "1"]),
    "complex numbers": np.array([0j, 1j]),
    "numbers and text": np.array([0, "1"], dtype=object),
}
