"""Small real Linux units: a Debian kernel in QEMU, with disks, network cards, a console and a dropbear."""
