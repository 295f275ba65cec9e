"""Make docs/images/chat.png: two windows side by side, one light and one dark, on a stack of its own.

Run it as `python -m tests.acceptance.browser.screenshot [FILE]`; it needs Chromium.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from tests.acceptance.browser.window import CHROMIUM_FLAGS, Window
from tests.support.chat_system import ROOT, ChatSystem
from tests.support.wait import eventually

FILE = ROOT / "docs" / "images" / "chat.png"
ROOM = "lighthouse"
SIZE = {"width": 860, "height": 800}
TALK = (
    ("Ines", "Morning! The new lamp arrived. It is bigger than the old one and lighter than I am."),
    ("Tom", "Will it fit through the door?"),
    ("Ines", "Through the window."),
    ("Ines", "Probably."),
    ("Tom", "I'm bringing the ladder, the ropes, and somebody who knows about ropes."),
    ("Mara", "That would be me."),
    ("Mara", "Tide is low until 16:20, so the rocks are dry. Meet at the boathouse?"),
)
LEAVING = "Leaving now."
OTHER_ROOMS = ("boathouse", "tides-and-weather")
SIDE_BY_SIDE = """
<style>
  body { margin: 0; display: flex; gap: 28px; padding: 28px; }
  body { background: linear-gradient(120deg, #cfd6f6, #8f9bdc); }
  img { width: 860px; border-radius: 14px; box-shadow: 0 12px 40px rgb(20 24 60 / 35%); display: block; }
</style>
<img id="left"><img id="right">
"""


def main() -> int:
    """Write the picture; return the exit code."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    executable = shutil.which("chromium")
    if executable is None:
        print("no chromium here; apt-get install chromium", file=sys.stderr)
        return 2
    file.parent.mkdir(parents=True, exist_ok=True)
    with ChatSystem() as chat, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_FLAGS)
        _join(browser, _shots(browser, chat), file)
        browser.close()
    print(f"wrote {file}")
    return 0


def _shots(browser: Browser, chat: ChatSystem) -> list[bytes]:
    looks = {"Ines": "light", "Tom": "dark", "Mara": "light"}
    people = {}
    for name, look in looks.items():
        people[name] = Window(browser, chat.url, viewport=SIZE, color_scheme=look, locale="en-GB")
        for room in (*OTHER_ROOMS, ROOM):
            _enter(people[name], name, room)
    for name, text in TALK:
        people[name].say(text)
        for each in people.values():
            each.await_state(text, "confirmed")
    _amend(people)
    mara = people["Mara"]
    mara.page.get_by_role("link", name="boathouse").click()
    mara.say("Kettle's here too, if you need it")
    mara.await_state("Kettle's here too, if you need it", "confirmed")
    badge = ".badge"
    for name in ("Ines", "Tom"):
        eventually(lambda name=name: people[name].page.locator(badge).count() == 1)  # type: ignore[misc]
    with chat.locked_store():
        people["Tom"].say("Save me a biscuit.")
        people["Tom"].await_state("Save me a biscuit.", "pending")
        people["Ines"].await_state("Save me a biscuit.", "pending")
        return [people[name].page.screenshot() for name in ("Ines", "Tom")]


def _amend(people: dict[str, Window]) -> None:
    """React, reply and edit, as people do."""
    plan, ready = TALK[6][1], "Coffee's on. Bring cups."
    for name in ("Ines", "Tom"):
        people[name].act(plan, "heart")
    people["Ines"].act(plan, "Reply")
    people["Ines"].say("Yes! Coffee is in.")
    people["Ines"].await_state("Yes! Coffee is in.", "confirmed")
    people["Ines"].act("Yes! Coffee is in.", "Edit")
    people["Ines"].say(ready)
    for each in people.values():
        each.await_state(ready, "confirmed")
        expect(each.message(plan).locator(".chip")).to_have_text("❤️ 2")
    people["Tom"].say(LEAVING)
    for each in people.values():
        each.await_state(LEAVING, "confirmed")
        each.page.mouse.move(0, 0)


def _enter(window: Window, name: str, room: str) -> None:
    if window.page.url == "about:blank":
        window.come_in(name, room)
        return
    window.page.get_by_label("Join a room").fill(room)
    window.page.keyboard.press("Enter")
    window.await_room(room)


def _join(browser: Browser, shots: list[bytes], file: Path) -> None:
    page = browser.new_page(viewport={"width": 2 * SIZE["width"] + 84, "height": SIZE["height"] + 56})
    page.set_content(SIDE_BY_SIDE)
    for place, shot in zip(("left", "right"), shots, strict=True):
        show = "async ([id, bytes]) => { const i = document.getElementById(id);"
        show += " i.src = URL.createObjectURL(new Blob([new Uint8Array(bytes)])); await i.decode(); }"
        page.evaluate(show, [place, list(shot)])
    page.screenshot(path=file)


if __name__ == "__main__":
    sys.exit(main())
