"""How a command's answer is written into the transcript: decoded, bounded, and without the key that it may hold."""

from __future__ import annotations

import hashlib
import re

from factory.units.protocol import Completed, Transcript

_KEY = re.compile(rb"Registration key is ([^\r\n]{1,256})")
_SHOWN = 8192


def shown_answer(completed: Completed, transcript: Transcript) -> Completed:
    """Write a command's answer into the transcript and return it unchanged.

    What `connectd_control show` says after 'Registration key is' (remote.it reference, section 2.1) is made known as
    a secret before anything is written.
    """
    for stream in (completed.stdout, completed.stderr):
        for match in _KEY.finditer(stream):
            transcript.secret(match[1].decode("utf-8", "replace").strip())
            transcript.secret(match[1].decode("utf-8", "replace"))
        if len(stream) > _SHOWN:
            transcript.note(f"<{len(stream)} bytes, sha256 {hashlib.sha256(stream).hexdigest()}>")
        elif stream:
            transcript.received(stream)
    transcript.note(f"status {completed.status}")
    return completed
