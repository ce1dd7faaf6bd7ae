#!/usr/bin/env python3
"""Prints keys, valid tokens and invalid tokens made by PyJWT 2.15 (`pip install pyjwt cryptography`):

    python scripts/golden/tokens.py > crates/serving/src/access/golden/jwt.json

The private keys are discarded; the valid tokens expire in 2100.
"""
import base64
import hashlib
import hmac
import json

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

END = 4102444800
CLAIMS = {"iss": "https://id.example", "aud": ["other", "cupola"], "sub": "ada", "exp": END, "scope": "openid predict:blobs profile"}
rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
keys = {"RS256": (RSAAlgorithm, rsa_key), "PS256": (RSAAlgorithm, rsa_key), "ES256": (ECAlgorithm, ec.generate_private_key(ec.SECP256R1())),
        "ES384": (ECAlgorithm, ec.generate_private_key(ec.SECP384R1())), "EdDSA": (OKPAlgorithm, ed25519.Ed25519PrivateKey.generate())}


def public(name):
    kind, key = keys[name]
    return {**json.loads(kind.to_jwk(key.public_key())), "kid": name, "use": "sig"}


def token(name, claims=CLAIMS, **headers):
    return jwt.encode(claims, keys[name][1], name, {"kid": name, **headers})


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def without(name):
    return {k: v for k, v in CLAIMS.items() if k != name}


def raw(name, header, claims):
    """Token signed as it is, with a header and claims that PyJWT would not write."""
    head, kind = {"alg": name, "typ": "JWT", "kid": name, **header}, jwt.get_algorithm_by_name(name)
    text = f"{part(head)}.{part(claims)}"
    return f"{text}.{base64.urlsafe_b64encode(kind.sign(text.encode(), keys[name][1])).rstrip(b'=').decode()}"


# Algorithm confusion: a public key as the secret of an HMAC.
pem = rsa_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
signed = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'RS256'})}.{part(CLAIMS)}"
mac = base64.urlsafe_b64encode(hmac.new(pem, signed.encode(), hashlib.sha256).digest()).rstrip(b"=").decode()
stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
bad = {
    "none": f"{part({'alg': 'none', 'typ': 'JWT', 'kid': 'RS256'})}.{part(CLAIMS)}.",
    "public key as secret": f"{signed}.{mac}",
    "another's key": jwt.encode(CLAIMS, stranger, "RS256", {"kid": "RS256"}),
    "unknown key": token("RS256", kid="gone"),
    "no key id": jwt.encode(CLAIMS, rsa_key, "RS256"),
    "key of another kind": token("RS256", kid="ES256"),
    "ended": token("RS256", {**CLAIMS, "exp": 1_700_000_000}),
    "not yet": token("RS256", {**CLAIMS, "nbf": END - 1}),
    "another issuer": token("RS256", {**CLAIMS, "iss": "https://evil.example"}),
    "another audience": token("RS256", {**CLAIMS, "aud": "other"}),
    "no issuer": token("RS256", without("iss")),
    "no audience": token("RS256", without("aud")),
    "no end": token("RS256", without("exp")),
    "an end that is a text": raw("RS256", {}, {**CLAIMS, "exp": str(END)}),
    "a list of issuers": raw("RS256", {}, {**CLAIMS, "iss": ["https://id.example", "https://evil.example"]}),
    "a list of one issuer": raw("ES256", {}, {**CLAIMS, "iss": ["https://id.example"]}),
    "issued later": raw("EdDSA", {}, {**CLAIMS, "iat": END - 1}),
    "a start that is a text": raw("RS256", {}, {**CLAIMS, "nbf": "0"}),
    "an unknown critical header": raw("RS256", {"crit": ["exp-policy"], "exp-policy": 1}, CLAIMS),
    "an unencoded payload": raw("ES256", {"crit": ["b64"], "b64": True}, CLAIMS),
    "no critical header": raw("RS256", {"crit": []}, CLAIMS),
    "a number as the key id": raw("RS256", {"kid": 7}, CLAIMS),
    "an empty key id": raw("RS256", {"kid": ""}, CLAIMS),
    "a path as the key id": raw("RS256", {"kid": "../../../dev/null"}, CLAIMS),
    "algorithm of another curve": raw("ES384", {"kid": "ES256"}, CLAIMS),
    "an RSA algorithm for a curve": raw("ES256", {"alg": "RS256"}, CLAIMS),
    "a curve's algorithm for RSA": raw("RS256", {"alg": "ES256"}, CLAIMS),
    "an audience that is a number": raw("RS256", {}, {**CLAIMS, "aud": 1}),
    "an audience with more text": raw("RS256", {}, {**CLAIMS, "aud": "cupola2"}),
    "a compressed payload": raw("RS256", {"zip": "DEF"}, CLAIMS),
}
print(json.dumps({"jwks": {"keys": [public(name) for name in keys]}, "good": {**{name: token(name) for name in keys}, "a fraction of a second": token("RS256", {**CLAIMS, "exp": END + 0.5}), "a text as the audience": token("ES256", {**CLAIMS, "aud": "cupola"}), "written by hand": raw("RS256", {}, {**CLAIMS, "iat": 1_700_000_000})}, "bad": bad}, indent=1))
