"""`edgevitals` that looks at rights and settings each half second, and holds no longer."""

from __future__ import annotations

from collector import rights
from collector.__main__ import main
from collector.cluster import settings
from collector.flow import pump

if __name__ == "__main__":
    rights.EVERY_S = 0.5
    settings.SETTINGS_S = 0.5
    pump.FIRST_HOLD_S = 0.5
    main()
