"""The page in a real browser: what people do on it, on a desk and on a phone; and that nothing on it comes alive."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from factory.rehearsal.clouds.remoteit.page import section
from factory.rehearsal.clouds.remoteit.portal import ServiceSpec
from tests import programs
from tests.rehearsal.clouds.conftest import Talker, a_file, a_row

EVIL = "<img src=x onerror=\"document.title='owned'\">'&"
_ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    path = programs.require("chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
        yield started
        started.close()


def _opened(browser: Any, talker: Talker, width: int, scheme: str = "light") -> tuple[Any, list[str]]:
    """The page, and what its console complained of. Chromium knows the CA by nobody: certificate errors are its own."""
    context = browser.new_context(
        ignore_https_errors=True, viewport={"width": width, "height": 900}, color_scheme=scheme
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(talker.clouds.url)
    return page, complaints


def _picture(page: Any, name: str) -> None:
    folder = os.environ.get("FACTORY_TEST_PICTURES")
    if folder:
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


def test_upload_publish_delete(browser: Any, talker: Talker, tmp_path: Path) -> None:
    talker.clouds.remoteit.create_product("Practice gateway", [ServiceSpec("ssh", "ssh", 22)])
    ids = [talker.new_id() for _ in range(12)]
    upload, damaged = tmp_path / "lot.csv", tmp_path / "damaged.csv"
    upload.write_bytes(a_file(*(a_row(one) for one in ids)))
    damaged.write_bytes(a_file(a_row("default."), a_row("a b")))
    page, complaints = _opened(browser, talker, 1100)
    form = page.locator("form[data-upload]")
    form.get_by_label("Name").fill("Lot 7")
    form.get_by_label("Upload file").set_input_files(str(damaged))
    form.get_by_role("button", name="Register").click()
    problems = form.locator(".problems li")
    problems.first.wait_for()
    assert "row 2" in problems.first.inner_text()
    _picture(page, "refused")
    form.get_by_label("Upload file").set_input_files(str(upload))
    form.get_by_role("button", name="Register").click()
    card = page.locator("article", has=page.get_by_role("heading", name="Lot 7"))
    card.wait_for()
    assert card.locator(".chip").first.inner_text() == "configured"
    publish = card.get_by_role("button", name="Publish")
    assert publish.is_disabled()
    card.get_by_label("Confirm registration").check()
    publish.click()
    card.locator(".chip.preregistered").wait_for()
    talker.boot(talker.clouds.remoteit.unit(ids[0])["bic"], ids[0])
    page.reload()
    card.locator("summary").click()
    assert card.locator("tbody tr").count() == 12
    assert card.locator("tbody tr").first.locator(".chip").inner_text() == "online"
    _picture(page, "desk")
    page.on("dialog", lambda dialog: dialog.accept())
    card.get_by_role("button", name="Delete").click()
    card.wait_for(state="detached")
    with pytest.raises(Exception, match="no such device"):
        talker.clouds.remoteit.unit(ids[0])
    assert [one for one in complaints if "422" not in one] == []  # the browser's own line about the refused file
    page.context.close()


def test_a_product_is_made_on_the_page(browser: Any, talker: Talker) -> None:
    page, complaints = _opened(browser, talker, 800)
    page.get_by_text("Create a product").click()
    form = page.locator("form[data-create]")
    form.get_by_label("Name").fill("Made by hand")
    form.get_by_label("SSH").check()
    form.get_by_role("button", name="Create").click()
    page.get_by_role("heading", name="Made by hand").wait_for()
    (made,) = [one for one in talker.clouds.remoteit.products() if one["name"] == "Made by hand"]
    assert [one["name"] for one in made["services"]] == ["Bulk Service", "SSH"]
    assert complaints == []
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(browser: Any, talker: Talker, scheme: str) -> None:
    bic, registration = talker.lot(*(talker.new_id() for _ in range(3)))
    talker.boot(bic, talker.clouds.remoteit.units(registration.id)[0]["hardware_id"])
    talker.lot(talker.new_id(), publish=False)
    page, _ = _opened(browser, talker, 360, scheme)
    page.locator("summary", has_text="3 devices").last.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    sizes = page.locator("button").evaluate_all("all => all.map(one => one.getBoundingClientRect().height)")
    assert min(size for size in sizes if size) >= 40
    _picture(page, f"phone-{scheme}")
    page.context.close()


def test_nothing_foreign_comes_alive(browser: Any, talker: Talker) -> None:
    portal = talker.clouds.remoteit
    bic = portal.create_product(EVIL, [ServiceSpec(EVIL, "ssh", 22)])
    hwid = talker.new_id()
    portal.publish(portal.upload(bic, EVIL, a_file(a_row(hwid))).id)
    portal.set_unit(hwid, name=EVIL)
    assert "<img" not in section(portal)
    page, complaints = _opened(browser, talker, 800)
    assert page.get_by_role("heading", name=EVIL).count() == 2
    assert page.title() == "Simulated clouds"
    assert page.locator("img").count() == 0
    assert complaints == []
    page.context.close()
