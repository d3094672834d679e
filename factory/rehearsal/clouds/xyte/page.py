"""Xyte's part of the page: models with the use of their keys, devices."""

from __future__ import annotations

from html import escape

from factory.rehearsal.clouds.state import Row
from factory.rehearsal.clouds.xyte.portal import XytePortal

_SHOWN = 200


def section(portal: XytePortal) -> str:
    """Return the section as HTML; everything that came from anywhere is escaped. No key is in it."""
    devices = portal.devices(0, _SHOWN + 1)
    more = f'<p class="soft">Only the first {_SHOWN} are shown.</p>' if len(devices) > _SHOWN else ""
    table = (
        "<div class='scroll'><table><thead><tr><th>Serial number</th><th>MAC</th><th>Cloud ID</th><th>Model</th>"
        f"<th>Firmware</th><th>State</th></tr></thead><tbody>{''.join(_row(one) for one in devices[:_SHOWN])}</tbody>"
        f"</table></div>{more}"
    )
    empty = (
        '<p class="soft">No devices yet. The hardware key lies beside the state, in <code>xyte-hardware-key</code>.</p>'
    )
    models = "".join(_model(one) for one in portal.models())
    return (
        '<section aria-labelledby="xyte"><h2 id="xyte">Xyte: devices</h2>'
        f'<article class="card" id="xyte-devices">{table if devices else empty}</article>'
        f"<h2>Xyte: models</h2>{models}</section>"
    )


def _row(device: Row) -> str:
    status = device["state"].get("status", "offline")
    claimed = f" claimed by {_e(device['claimed'])}" if device["claimed"] else ""
    child = " child" if device["child"] else ""
    return (
        f"<tr><td><code>{_e(device['sn'])}</code></td><td><code>{_e(device['mac'])}</code></td>"
        f"<td><code>{_e(device['cloud_id'])}</code></td><td>{_e(device['model_name'])}{child}</td>"
        f"<td>{_e(device['firmware_version'])}</td><td><span class='chip {_e(status)}'>{_e(status)}</span>"
        f"{claimed}</td></tr>"
    )


def _model(model: Row) -> str:
    keys = "".join(
        f"<dt>Hardware key {number}</dt><dd>{key['used']} of {key['expected'] or 'any number'}"
        f"{', revoked' if key['revoked'] else ''}</dd>"
        for number, key in enumerate(model["keys"], 1)
    )
    return (
        f'<article class="card"><h3>{_e(model["name"])}</h3><dl class="long"><dt>Model ID</dt>'
        f"<dd><code>{_e(model['id'])}</code></dd><dt>Authentication</dt><dd>{_e(model['authentication'])}</dd>"
        f"<dt>Model API</dt><dd>{_e(model['api_version'])}</dd>{keys}</dl></article>"
    )


def _e(text: object) -> str:
    return escape("" if text is None else str(text), quote=True)
