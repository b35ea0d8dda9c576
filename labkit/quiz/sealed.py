"""Texts that can be read only by who has the answer that they are about.

This is no security: the course is open, and whoever wants to can try every answer. It keeps the key from being read by accident: a bank of
questions has no list of right answers in it, and what is said of an answer is unreadable until somebody gives that answer.
"""

import base64
from hashlib import blake2b
from itertools import count

_TAG_BYTES = 8


def tag(question_id: str, state: str) -> str:
    """Return the name under which the text about an answer's state is kept: 16 hexadecimal digits."""
    return blake2b(_key(question_id, state), digest_size=_TAG_BYTES, person=b"quiz tag").hexdigest()


def seal(question_id: str, state: str, text: str) -> str:
    """Return a text as only `unseal` with the same question and state gives it back."""
    return base64.b85encode(_crossed(question_id, state, text.encode())).decode()


def unseal(question_id: str, state: str, sealed: str) -> str:
    """Return the text that was sealed."""
    return _crossed(question_id, state, base64.b85decode(sealed)).decode()


def _crossed(question_id: str, state: str, data: bytes) -> bytes:
    """Combine the data with a stream of bytes that follows from question and state; done twice it gives the data back."""
    stream = b""
    for block in count():
        if len(stream) >= len(data):
            break
        stream += blake2b(block.to_bytes(4) + _key(question_id, state), person=b"quiz text").digest()
    return bytes(a ^ b for a, b in zip(data, stream, strict=False))


def _key(question_id: str, state: str) -> bytes:
    return f"{question_id}\0{state}".encode()
