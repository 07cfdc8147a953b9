"""The trainer: from a SCADA database to a proven, published model; in a pod, and on a laptop without any cluster."""

import os

# LightGBM's threads wait for each other thousands of times a second. By default they spin while they wait, which makes
# a fit many times slower wherever the CPUs are shared. OpenMP reads this once, when LightGBM is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
