"""Types that a model file may hold, in addition to those that skops trusts itself.

Each was reviewed: it holds numbers, arrays or other trusted objects, and runs no code of the file.
Not in the list: types that call a function that the file names, such as `PyFuncDistance64` and
`_Scorer`. skops trusts scikit-learn's estimators already.

A `FunctionTransformer` calls a function with arguments of the file. The only functions are those
that turn a column of dates, or of numbers in text, into numbers. Each returns its input as an
array, as times, or with parts of its texts replaced (by RE2, whose time is linear), and takes no
argument that is a function, a path or code.
"""

_METRICS = (
    *("BrayCurtis", "Canberra", "Chebyshev", "Dice", "Euclidean", "Hamming", "Haversine"),
    *("Jaccard", "Mahalanobis", "Manhattan", "Matching", "Minkowski", "RogersTanimoto"),
    *("RussellRao", "SEuclidean", "SokalMichener", "SokalSneath"),
)
_DISTANCES = tuple(
    f"sklearn.metrics._dist_metrics.{metric}Distance{bits}"
    for metric in _METRICS
    for bits in (32, 64)
)
_NEIGHBOURS = tuple(
    f"sklearn.neighbors.{module}.{tree}{bits}"
    for module, tree in (("_kd_tree", "KDTree"), ("_ball_tree", "BallTree"))
    for bits in ("", "32", "64")
)
_KERNELS = tuple(
    f"sklearn.gaussian_process.kernels.{name}"
    for name in (
        *("CompoundKernel", "ConstantKernel", "DotProduct", "ExpSineSquared", "Exponentiation"),
        *("Matern", "Product", "RationalQuadratic", "RBF", "Sum", "WhiteKernel"),
    )
)
_DATES = ("pandas.to_datetime", "numpy.reshape", "sklearn.utils.validation.check_array")
_NUMBERS_IN_TEXT = (
    "numpy.asarray",
    "pandas.to_timedelta",
    "pyarrow.compute.replace_substring_regex",
)
TRUSTED_TYPES = (
    "numpy.dtype",
    "scipy.sparse._csr.csr_matrix",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    "sklearn.model_selection._split.KFold",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.multiclass._ConstantPredictor",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
    *_DATES,
    *_NUMBERS_IN_TEXT,
    *_DISTANCES,
    *_NEIGHBOURS,
    *_KERNELS,
)
