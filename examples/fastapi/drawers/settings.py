"""Where things are. webhooksub's own settings are its WEBHOOKSUB_… variables."""

import os
from pathlib import Path

DATABASE = Path(os.environ.get("DRAWERS_DATABASE", "drawers.db"))
