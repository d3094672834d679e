"""What the simulated remote.it remembers."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS remoteit_products (
  bic TEXT PRIMARY KEY, name TEXT NOT NULL, created REAL NOT NULL
) STRICT;
-- One line per service of a product; position 0 is the Bulk Service, whose project id is the product's own code.
CREATE TABLE IF NOT EXISTS remoteit_projects (
  pid TEXT PRIMARY KEY, bic TEXT NOT NULL REFERENCES remoteit_products ON DELETE CASCADE, position INTEGER NOT NULL,
  name TEXT NOT NULL, type TEXT NOT NULL, port INTEGER NOT NULL, enabled INTEGER NOT NULL, UNIQUE (bic, position)
) STRICT;
CREATE TABLE IF NOT EXISTS remoteit_registrations (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, bic TEXT NOT NULL REFERENCES remoteit_products, state TEXT NOT NULL,
  published REAL, created REAL NOT NULL, updated REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS remoteit_units (
  hardware_id TEXT PRIMARY KEY, registration TEXT NOT NULL REFERENCES remoteit_registrations ON DELETE CASCADE,
  line INTEGER NOT NULL, registration_key TEXT NOT NULL, name TEXT NOT NULL, categories TEXT NOT NULL,
  mac TEXT, cpu TEXT, os_label TEXT, package TEXT, tcp_services TEXT,
  cloned INTEGER NOT NULL DEFAULT 0, online INTEGER NOT NULL DEFAULT 0, seen REAL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS remoteit_units_folded ON remoteit_units (lower(hardware_id));
CREATE INDEX IF NOT EXISTS remoteit_units_registration ON remoteit_units (registration, line);
CREATE TABLE IF NOT EXISTS remoteit_services (
  uid TEXT PRIMARY KEY, hardware_id TEXT NOT NULL REFERENCES remoteit_units ON DELETE CASCADE,
  pid TEXT NOT NULL REFERENCES remoteit_projects, name TEXT NOT NULL, secret TEXT, registered REAL, target TEXT,
  UNIQUE (hardware_id, pid)
) STRICT;
"""
