"""Helpers of a test folder are imported by their names: every folder of tests is on the path."""

import sys
from pathlib import Path

sys.path[:0] = [str(folder) for folder in sorted(Path(__file__).parent.iterdir()) if folder.is_dir()]
