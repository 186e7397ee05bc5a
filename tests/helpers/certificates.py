"""A signing certificate of a throw-away authority, as C2PA wants one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def signing_pems() -> tuple[bytes, bytes]:
    """(certificates, key) in PEM: the signer's certificate, then its issuer's."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    now = datetime.now(UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [
        x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, common),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "filmstock tests"),
            ]
        )
        for common in ("authority", "signer")
    ]

    def certificate(which: int) -> x509.Certificate:
        authority = which == 0
        usage = x509.KeyUsage(not authority, *[False] * 4, authority, authority, False, False)
        built = (
            x509.CertificateBuilder()
            .subject_name(names[which])
            .issuer_name(names[0])
            .public_key(keys[which].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=30 - which))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(keys[which].public_key()), critical=False
            )
        )
        if not authority:
            issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[0].public_key())
            mail = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
            built = built.add_extension(mail, critical=False).add_extension(issuer, critical=False)
        return built.sign(keys[0], hashes.SHA256())

    pems = [certificate(i).public_bytes(serialization.Encoding.PEM) for i in (1, 0)]
    key = keys[1].private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return b"".join(pems), key


def with_training_assertion(mp4: bytes, label: str, use: str) -> bytes:
    """The file with a manifest of somebody who says by ``label`` what use training may make of it."""
    import io
    import json

    import c2pa

    source = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
    created = {"action": "c2pa.created", "digitalSourceType": source}
    entry = {f"{label.split('.')[0]}.ai_generative_training": {"use": use}}
    manifest = {
        "claim_generator_info": [{"name": "somebody"}],
        "assertions": [
            {"label": "c2pa.actions", "data": {"actions": [created]}},
            {"label": label, "data": {"entries": entry}},
        ],
    }
    certificates, key = signing_pems()
    signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(b"es256", certificates, key, None))
    out = io.BytesIO()
    c2pa.Builder(json.dumps(manifest)).sign(signer, "video/mp4", io.BytesIO(mp4), out)
    return out.getvalue()
