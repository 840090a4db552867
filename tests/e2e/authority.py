"""Certificate authorities and the certificates they sign, made by `cryptography` for one test."""
import datetime
import ipaddress
import pathlib
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def now():
    return datetime.datetime.utcnow()


def write_key(key, path):
    path.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    path.chmod(0o600)


def subject(common_names):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn) for cn in common_names])


class Authority:
    """A root of its own; `pem` is the file that those who trust it are given."""

    def __init__(self, folder, name="Test authority", file="authority.pem"):
        self.folder = pathlib.Path(folder)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = subject([name])
        self.count = 0
        self.certificate = (
            x509.CertificateBuilder().subject_name(self.name).issuer_name(self.name)
            .public_key(self.key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now() - datetime.timedelta(days=1)).not_valid_after(now() + datetime.timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        self.pem = self.folder / file
        self.pem.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def sign(self, *common_names, dns=(), ip=(), email=(), uri=(), begins_s=-3600, ends_s=86400, server=False):
        """(certificate file, key file); begins_s and ends_s count from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        names = ([x509.DNSName(d) for d in dns] + [x509.IPAddress(ipaddress.ip_address(i)) for i in ip]
                 + [x509.RFC822Name(e) for e in email] + [x509.UniformResourceIdentifier(u) for u in uri])
        builder = (
            x509.CertificateBuilder().subject_name(subject(common_names)).issuer_name(self.name)
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now() + datetime.timedelta(seconds=begins_s))
            .not_valid_after(now() + datetime.timedelta(seconds=ends_s))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        self.count += 1
        stem = f"{self.pem.stem}-{self.count}"
        pem, key_pem = self.folder / f"{stem}.pem", self.folder / f"{stem}.key"
        pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        write_key(key, key_pem)
        return pem, key_pem

    def server_context(self, name="localhost", ip=("127.0.0.1",)):
        """For a server called name, with a certificate of this authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.sign(name, dns=[name], ip=ip, server=True))
        return context
