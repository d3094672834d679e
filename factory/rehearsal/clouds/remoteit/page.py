"""remote.it's part of the page: products, an upload, registrations with their devices."""

from __future__ import annotations

import datetime
import json
from html import escape
from typing import Any

from factory.rehearsal.clouds.remoteit.portal import Portal, Registration

_SHOWN = 200
_OFFERED = (("SSH", "ssh", 22), ("Web", "http", 80), ("Secure web", "https", 443))


def section(portal: Portal) -> str:
    """Return the section as HTML; everything that came from anywhere is escaped."""
    products = portal.products()
    registrations = portal.registrations()
    names = {product["bic"]: product["name"] for product in products}
    cards = "".join(_registration(portal, one, names[one.bic]) for one in registrations)
    empty = (
        '<p class="card soft">No registrations yet. Upload the file that <code>factory sheet export</code> wrote.</p>'
    )
    return (
        '<section aria-labelledby="remoteit"><h2 id="remoteit">remote.it: registrations</h2>'
        f"{_upload(products) if products else ''}{cards or empty}"
        f"<h2>remote.it: products</h2>{''.join(_product(one) for one in products)}{_create()}</section>"
    )


def _upload(products: list[dict[str, Any]]) -> str:
    options = "".join(f'<option value="{_e(one["bic"])}">{_e(one["name"])}</option>' for one in products)
    return (
        '<form class="card wide" data-upload="/rehearsal/portal/registrations">'
        '<h3 class="full">Create a registration</h3>'
        '<label>Name<input name="name" required maxlength="100" autocomplete="off"></label>'
        f'<label>Product<select name="product" required>{options}</select></label>'
        '<label class="full">Upload file (CSV)<input type="file" name="file" accept=".csv,text/csv" required></label>'
        '<div class="problems full" role="alert"></div><div class="full"><button>Register</button></div></form>'
    )


def _registration(portal: Portal, one: Registration, product: str) -> str:
    publish = (
        '<label class="check"><input type="checkbox">Confirm registration of this set of devices</label>'
        "<button data-publish>Publish</button>"
        if one.state == "configured"
        else ""
    )
    return (
        f'<article class="card" data-registration="/rehearsal/portal/registrations/{_e(one.id)}">'
        f'<div class="head"><h3>{_e(one.name)}</h3><span class="chip {_e(one.state)}">{_e(one.state)}</span></div>'
        f"<dl><dt>Product</dt><dd>{_e(product)}</dd><dt>Uploaded</dt><dd>{one.uploaded}</dd>"
        f"<dt>Registered by units</dt><dd>{one.registered}</dd><dt>Online</dt><dd>{one.online}</dd>"
        f"<dt>Created</dt><dd>{_moment(one.created)}</dd></dl>{_units(portal, one)}"
        '<div class="problems" role="alert"></div>'
        f'<div class="actions">{publish}<button class="quiet" data-delete>Delete</button></div></article>'
    )


def _units(portal: Portal, one: Registration) -> str:
    units = portal.units(one.id)
    rows = "".join(
        f"<tr><td><code>{_e(unit['hardware_id'])}</code></td><td>{_e(unit['name'])}</td><td>{_chips(unit)}</td></tr>"
        for unit in units[:_SHOWN]
    )
    amount = "1 device" if len(units) == 1 else f"{len(units)} devices"
    more = f'<p class="soft">and {len(units) - _SHOWN} more</p>' if len(units) > _SHOWN else ""
    return (
        f"<details><summary>{amount}</summary><div class='scroll'><table><thead><tr><th>Hardware ID</th>"
        f"<th>Name</th><th>State</th></tr></thead><tbody>{rows}</tbody></table></div>{more}</details>"
    )


def _chips(unit: dict[str, Any]) -> str:
    state = "online" if unit["online"] else "registered" if unit["registered"] else "offline"
    cloned = ' <span class="chip cloned">cloned</span>' if unit["cloned"] else ""
    return f'<span class="chip {state}">{state}</span>{cloned}'


def _product(product: dict[str, Any]) -> str:
    services = ", ".join(f"{one['name']} ({one['type']}, port {one['port']})" for one in product["services"][1:])
    return (
        f'<article class="card"><h3>{_e(product["name"])}</h3><dl class="long"><dt>Bulk Identification Code</dt>'
        f"<dd><code>{_e(product['bic'])}</code></dd><dt>Services</dt><dd>{_e(services) or 'none'}</dd></dl></article>"
    )


def _create() -> str:
    choices = "".join(
        f'<label class="check"><input type="checkbox" name="service" value="{_e(_spec(name, kind, port))}">'
        f"{name} (port {port})</label>"
        for name, kind, port in _OFFERED
    )
    return (
        '<details class="card"><summary>Create a product</summary><form data-create="/rehearsal/portal/products">'
        f'<label>Name<input name="name" required maxlength="100" autocomplete="off"></label>{choices}'
        '<div class="problems" role="alert"></div><div><button>Create</button></div></form></details>'
    )


def _spec(name: str, kind: str, port: int) -> str:
    return json.dumps({"name": name, "type": kind, "port": port})


def _moment(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _e(text: str) -> str:
    return escape(text, quote=True)
