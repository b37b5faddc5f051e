"""Helpers of a test folder are imported by their names: every folder of tests is on the path."""

import os
import sys
from pathlib import Path

from hypothesis import settings

# A loaded machine takes its time: no example fails by the clock. In CI the same examples are taken each time.
settings.register_profile("unhurried", settings.get_profile("ci" if "CI" in os.environ else "default"), deadline=None)
settings.load_profile("unhurried")

sys.path[:0] = [str(folder) for folder in sorted(Path(__file__).parent.iterdir()) if folder.is_dir()]
