"""Reads pseudonyms back with Python's `cryptography`: an implementation that is not ours.

Standard input: a JSON object a line, {"scheme", "key", "name", "pseudonym"}. Prints how many came back right.
"""

import base64
import hashlib
import hmac
import json
import sys

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def unpadded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def siv(key, pseudonym, _name):
    derived = HKDF(hashes.SHA512(), 64, None, b"research-fleet username siv v1").derive(key)
    return AESSIV(derived).decrypt(unpadded(pseudonym), None)


def fernet(key, pseudonym, _name):
    if len(key) != 44:
        key = base64.urlsafe_b64encode(hashlib.sha256(key).digest())
    key = key.translate(bytes.maketrans(b"+/", b"-_"))
    return Fernet(key).decrypt(pseudonym.encode())


def one_way(key, pseudonym, name):
    derived = HKDF(hashes.SHA256(), 32, None, b"research-fleet username hmac v1").derive(key)
    digest = hmac.new(derived, name, hashlib.sha256).digest()[:16]
    return name if unpadded(pseudonym) == digest else b"another digest"


count = 0
for line in sys.stdin:
    case = json.loads(line)
    read = {"siv": siv, "fernet": fernet, "hmac": one_way}[case["scheme"]]
    name = case["name"].encode()
    found = read(case["key"].strip().encode(), case["pseudonym"], name)
    if found != name:
        sys.exit(f"{case['scheme']}: {found!r} instead of {name!r}")
    count += 1
print(count)
