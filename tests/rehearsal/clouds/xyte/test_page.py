"""Xyte's part of the page: what is registered is on it, nothing on it comes alive, no key is on it."""

from __future__ import annotations

from tests.rehearsal.clouds.xyte.conftest import Maker


def test_devices_and_models_on_the_page(maker: Maker) -> None:
    evil = "<img src=x onerror=alert(1)>"
    model = maker.clouds.xyte.create_model(evil)
    key = maker.clouds.xyte.create_key(model, expected=3)
    device = maker.device(hardware_key=key, sn=evil)
    maker.clouds.xyte.set_device(device["id"], claimed=evil)
    page = maker.http.get("/").text
    assert device["cloud_id"] in page
    assert "1 of 3" in page
    assert "<img" not in page
    assert "&lt;img" in page
    for secret in (key, maker.key, device["access_key"], maker.clouds.xyte.partner_key):
        assert secret not in page
