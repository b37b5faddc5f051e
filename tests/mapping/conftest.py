"""Tests of a room may import its helpers by name."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
