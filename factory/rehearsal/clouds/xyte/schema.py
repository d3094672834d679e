"""What the simulated Xyte remembers. An access key is kept as its SHA-256 alone: it is shown once."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS xyte_partner (
  one INTEGER PRIMARY KEY CHECK (one = 1), partner_key TEXT NOT NULL, short_code TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS xyte_models (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, vendor TEXT NOT NULL, authentication TEXT NOT NULL,
  api_version INTEGER NOT NULL, created REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS xyte_keys (
  key TEXT PRIMARY KEY, model TEXT NOT NULL REFERENCES xyte_models, expected INTEGER, used INTEGER NOT NULL DEFAULT 0,
  revoked INTEGER NOT NULL DEFAULT 0, created REAL NOT NULL
) STRICT;
-- A deleted device leaves its line, so that its key is answered as a deleted device's is.
CREATE TABLE IF NOT EXISTS xyte_devices (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, access_key_sha256 TEXT NOT NULL,
  model TEXT NOT NULL REFERENCES xyte_models, child INTEGER NOT NULL, parent TEXT, sn TEXT, mac TEXT, mac_folded TEXT,
  cloud_id TEXT, name TEXT, firmware_version TEXT NOT NULL, sub_model TEXT, host_address TEXT,
  details TEXT NOT NULL, state TEXT NOT NULL DEFAULT '{}', config TEXT NOT NULL DEFAULT '{}',
  config_version INTEGER NOT NULL DEFAULT 0, config_updated REAL, licenses TEXT NOT NULL DEFAULT '[]',
  latest_firmware TEXT, claimed TEXT, seen REAL, created REAL NOT NULL, deleted REAL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS xyte_cloud_ids ON xyte_devices (cloud_id) WHERE deleted IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS xyte_sns ON xyte_devices (model, sn) WHERE deleted IS NULL AND NOT child;
CREATE UNIQUE INDEX IF NOT EXISTS xyte_pairs ON xyte_devices (mac_folded, sn) WHERE deleted IS NULL AND NOT child;
CREATE INDEX IF NOT EXISTS xyte_parents ON xyte_devices (parent);
CREATE TABLE IF NOT EXISTS xyte_updates (device TEXT NOT NULL, at REAL NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS xyte_updates_of ON xyte_updates (device, at);
"""
