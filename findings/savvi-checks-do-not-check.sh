#!/usr/bin/env bash
# savvi 0.3.1 (PyPI), a sequential test of counts: `InhomogeneousPoissonProcess`, which its documentation calls
# "Canary software release test", accepts shares of traffic that do not sum to 1, and then passes a bad release
# or stops a good one.
#
# The package has checks with messages ("theta_0 must sum to 1", "weights must sum to 0"). They compare with
# `condition is False`. A comparison of NumPy gives `numpy.False_`, which is not the object `False`, so these two
# never raise; the check of a shape, which compares plain integers, does. The shares enter the p-value as they
# are: load balancer weights in place of shares (90 and 10) make it 1 for ever, although the interval of the same
# object excludes "no difference"; shares of a half of all traffic (0.45 and 0.05) make it 0 for equal services.
#
# Seen: the lines under SEEN, after 100 rounds of errors, 9 of blue and 3 or 1 of green. Not found in the tracker.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    savvi==0.3.1 cvxpy==1.9.3 clarabel==0.11.1 scipy==1.17.1 numpy==2.4.6 matplotlib==3.11.2
cat > "$work/probe.py" <<'PY'
import warnings

import numpy as np
from savvi.multinomial import InhomogeneousPoissonProcess

warnings.simplefilter("ignore")
difference = np.array([[-1, 1]])
for shares in [0.9, 0.1], [90, 10], [0.45, 0.05]:
    for name, green in ("three times blue's errors", 3), ("equal services", 1):
        test = InhomogeneousPoissonProcess(alpha=0.05, rho=np.array(shares), weights=difference)
        for _ in range(100):
            test.update(np.array([9, green]))
        test.infer()
        [[lower, upper]] = test.conf_int
        p_value = "below 0.001" if test.p_value[0] < 0.001 else f"{test.p_value[0]:.1f}"
        zero = "holds" if lower <= 0 <= upper else "excludes"
        print(f"shares {shares}, {name}: p {p_value}, interval {zero} 0")
for weights in [[1, 1]], [[1, -1, 0]]:
    try:
        InhomogeneousPoissonProcess(alpha=0.05, rho=np.array([0.9, 0.1]), weights=np.array(weights))
        print(f"weights {weights}: accepted")
    except ValueError as error:
        print(f"weights {weights}: {error}")
PY
"$work/venv/bin/python" "$work/probe.py" > "$work/seen"
cat "$work/seen"
diff "$work/seen" - <<'SEEN'
shares [0.9, 0.1], three times blue's errors: p below 0.001, interval excludes 0
shares [0.9, 0.1], equal services: p 1.0, interval holds 0
shares [90, 10], three times blue's errors: p 1.0, interval excludes 0
shares [90, 10], equal services: p 1.0, interval holds 0
shares [0.45, 0.05], three times blue's errors: p below 0.001, interval excludes 0
shares [0.45, 0.05], equal services: p below 0.001, interval holds 0
weights [[1, 1]]: accepted
weights [[1, -1, 0]]: weights must have shape (any, 2)
SEEN
echo "as stated: shares that do not sum to 1 are accepted, and decide"
