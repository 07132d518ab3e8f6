"""The picture of the README: `python -m tests.browser.picture FILE [ADDRESS]`.

Without an address a demo city is started on a folder of its own, at an hour when lamps burn.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser.drive import ROOT, free_port, launch, poll, wait_for, wait_for_map

EVENING = "2026-03-21T10:50:00Z x30"  # dusk at UTC+8; half an hour passes in a minute
SETTLE_S = 75


def take(page: Page, address: str, target: Path) -> None:
    """Open the map, wait until lamps burn and it is drawn, and keep what is seen."""
    page.goto(address + "/?lang=zh-CN")
    wait_for_map(page)
    poll(page, "pintu.map.rows.size > 1000", 60)
    page.wait_for_timeout(3_000)
    target.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=target)


def demo_city(folder: Path, port: int) -> subprocess.Popen[str]:
    """The demo city in the evening, as `pintu up --demo` starts it."""
    command = [sys.executable, "-m", "pintu", "up", "--demo", "--data", str(folder)]
    environment = {**os.environ, "PINTU_CLOCK": EVENING, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.Popen(
        [*command, "--port", str(port)],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.DEVNULL,
    )


def main() -> int:
    """Exit 0 when the picture is there."""
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    target = Path(sys.argv[1]).resolve()
    given = sys.argv[2] if len(sys.argv) > 2 else ""
    with tempfile.TemporaryDirectory(prefix="pintu-picture-") as name, sync_playwright() as play:
        browser = launch(play)
        page = browser.new_page(viewport={"width": 1440, "height": 900}, locale="zh-CN")
        if given:
            take(page, given, target)
            browser.close()
            return 0
        port = free_port() if "PORT" not in os.environ else int(os.environ["PORT"])
        city = demo_city(Path(name), port)
        try:
            wait_for(f"http://127.0.0.1:{port}/readyz", city, 90)
            time.sleep(SETTLE_S)
            take(page, f"http://127.0.0.1:{port}", target)
        finally:
            browser.close()
            city.terminate()
            city.wait(30)
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
