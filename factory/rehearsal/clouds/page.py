"""The page of the simulated clouds: one document, nothing from elsewhere."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from importlib.resources import files

from starlette.responses import HTMLResponse, Response

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>Simulated clouds</title>
<style nonce="{nonce}">{style}</style>
</head>
<body>
<header>
<h1>Simulated clouds</h1>
<p class="soft">A place to practise. It runs on this machine only; nothing here reaches a real account.</p>
</header>
<main>
{sections}
</main>
<footer class="soft">This page and the addresses under <code>/rehearsal</code> are invented for the rehearsal.
The vendors' own pages look different.</footer>
<script nonce="{nonce}">{script}</script>
</body>
</html>
"""


def page(sections: Sequence[str]) -> Response:
    """Return the page; `sections` are HTML in which everything foreign is escaped."""
    nonce = secrets.token_urlsafe(16)
    place = files("factory.rehearsal.clouds")
    content = _PAGE.format(
        nonce=nonce,
        style=(place / "page.css").read_text("utf-8"),
        script=(place / "page.js").read_text("utf-8"),
        sections="\n".join(sections),
    )
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; img-src data:;"
        " connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )
    return HTMLResponse(content, headers={"Content-Security-Policy": policy})
