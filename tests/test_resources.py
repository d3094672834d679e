"""Templates and samples come with the installation; a name that is not there says what is."""

from __future__ import annotations

from pathlib import Path

import pytest

from factory import resources
from factory.errors import UsageError


def test_what_is_shipped() -> None:
    assert (resources.template_set("connectd") / "template.toml").is_file()
    assert (resources.sample("remoteit-bulk") / "product.toml").is_file()


def test_an_unknown_name() -> None:
    with pytest.raises(UsageError, match="no 'conectd'") as caught:
        resources.template_set("conectd")
    assert "connectd" in caught.value.hint


def test_an_installation_without_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "factory").mkdir()
    monkeypatch.setattr(resources, "__file__", str(tmp_path / "factory" / "resources.py"))
    with pytest.raises(UsageError, match="has no samples"):
        resources.folder("samples")
    # The wheel's own folder comes first.
    (tmp_path / "factory" / "_data" / "samples").mkdir(parents=True)
    (tmp_path / "samples").mkdir()
    assert resources.folder("samples") == tmp_path / "factory" / "_data" / "samples"
