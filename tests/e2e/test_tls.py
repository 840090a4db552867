"""TLS at the real listener (G19): versions, names, resumption, reload, and peers that misbehave."""
import os
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest
from conftest import PATIENCE, free_port, routes, wait_until

PUBLIC = "{path: '/**', auth: public, upstream: up}"
GET = b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n"
CLOSE = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
EC = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
RSA = ("rsa:2048",)


def make_pair(folder, label, names, kind=EC):
    """A self-signed certificate whose common name is label, for names."""
    cert, key = folder / f"{label}.pem", folder / f"{label}.key"
    san = ",".join(f"DNS:{n}" for n in names)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", *kind, "-nodes", "-keyout", key, "-out", cert, "-days", "9",
         "-subj", f"/CN={label}", "-addext", f"subjectAltName={san}"], check=True, capture_output=True,
    )
    return cert, key


def listen_entry(port, pairs, more=""):
    rest = ", ".join(f"{{certificate: {c}, key: {k}}}" for c, k in pairs[1:])
    cert, key = pairs[0]
    return (f"  - address: 127.0.0.1:{port}\n"
            f"    tls: {{certificate: {cert}, key: {key}, certificates: [{rest}]{more}}}\n")


def unverified(**limits):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # an end without close_notify is an error
    for name, value in limits.items():
        setattr(context, name, value)
    return context


def dial(port, name="localhost", context=None, session=None):
    s = socket.create_connection(("127.0.0.1", port), timeout=10 * PATIENCE)
    try:
        return (context or unverified()).wrap_socket(s, server_hostname=name, session=session,
                                                     suppress_ragged_eofs=False)
    except BaseException:
        s.close()
        raise


def ask(tls, request=GET):
    """One request, and its answer's first bytes; for TLS 1.3 they come behind the tickets."""
    tls.sendall(request)
    return tls.recv(65536)


def shown(port, name, context=None):
    """The common name of the certificate that is shown for name."""
    with dial(port, name, context) as tls:
        der = tls.getpeercert(True)
    text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-subject", "-nameopt", "multiline"],
                          input=der, capture_output=True, check=True).stdout.decode()
    return text.rpartition("= ")[2].strip()


def s_client(port, *args, input=b"", seconds=20):
    return subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost", *args],
                          input=input, capture_output=True, timeout=seconds * PATIENCE)


def read_all(s, seconds=10):
    """What comes until the peer ends; a reset is an end too."""
    data = b""
    s.settimeout(seconds * PATIENCE)
    try:
        while piece := s.recv(65536):
            data += piece
    except (ConnectionError, ssl.SSLError):
        pass
    return data


@pytest.fixture
def gw(make_gateway, upstream):
    return make_gateway(routes(upstream, PUBLIC))


# ------- versions and ciphers -------

@pytest.mark.parametrize("version,is_taken", [("TLSv1", False), ("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)])
def test_only_tls_1_2_and_1_3_are_spoken(gw, version, is_taken):
    flag = "-" + version.lower().replace("v1", "1")
    done = s_client(gw.port, flag, "-cipher", "ALL:@SECLEVEL=0", input=b"Q\n")
    name = version.replace("_", ".").encode()
    assert (b"Cipher is (NONE)" not in done.stdout) == is_taken, done.stdout + done.stderr
    if is_taken:
        assert b"New, TLSv1." in done.stdout and name in done.stdout
    else:
        assert b"alert protocol version" in done.stderr, "the refusal is an alert, not a cut"


def test_min_version_1_3_refuses_1_2(make_gateway, upstream, tmp_path):
    port = free_port()
    gw = make_gateway(routes(upstream, PUBLIC),
                      listen=listen_entry(port, [make_pair(tmp_path, "a", ["localhost"])], ", min_version: '1.3'"))
    with pytest.raises(ssl.SSLError):
        dial(port, context=unverified(maximum_version=ssl.TLSVersion.TLSv1_2))
    with dial(port) as tls:
        assert tls.version() == "TLSv1.3"
    assert gw.process.is_running()


@pytest.mark.parametrize("cipher", ["AES128-SHA", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "DHE-RSA-AES128-GCM-SHA256"])
def test_ciphers_without_aead_and_forward_secrecy_are_refused(gw, cipher):
    done = s_client(gw.port, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0", input=b"Q\n")
    assert b"Cipher is (NONE)" in done.stdout and b"alert handshake failure" in done.stderr


# ------- names -------

def test_certificate_is_chosen_by_server_name(make_gateway, upstream, tmp_path):
    port = free_port()
    pairs = [make_pair(tmp_path, "default", ["default.example"]), make_pair(tmp_path, "exact", ["one.wild.example"]),
             make_pair(tmp_path, "wild", ["*.wild.example"])]
    make_gateway(routes(upstream, PUBLIC), listen=listen_entry(port, pairs))
    for name, expected in [
        ("default.example", "default"), ("one.wild.example", "exact"), ("two.wild.example", "wild"),
        ("ONE.Wild.Example", "exact"), ("a.two.wild.example", "default"), ("wild.example", "default"),
        ("nobody.example", "default"), (None, "default"),
    ]:
        assert shown(port, name) == expected, name


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_alpn_chooses_http_1_1(gw, version):
    context = unverified(maximum_version=version, minimum_version=version)
    context.set_alpn_protocols(["spdy/9", "http/1.1", "http/1.0"])
    with dial(gw.port, context=context) as tls:
        assert tls.selected_alpn_protocol() == "http/1.1"
        assert ask(tls).startswith(b"HTTP/1.1 200 ")


def test_alpn_of_strangers_only_is_refused_with_its_own_alert(gw):
    context = unverified()
    context.set_alpn_protocols(["spdy/9", "imap"])
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        dial(gw.port, context=context)
    with dial(gw.port) as tls:
        assert tls.selected_alpn_protocol() is None and ask(tls).startswith(b"HTTP/1.1 200 ")


# ------- resumption -------

def fresh_session(port, context, name="localhost"):
    with dial(port, name, context) as tls:
        assert not tls.session_reused and ask(tls).startswith(b"HTTP/1.1 200 ")
        return tls.session


def resumes(port, context, session, name="localhost"):
    with dial(port, name, context, session) as tls:
        assert ask(tls).startswith(b"HTTP/1.1 200 ")
        return tls.session_reused


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_resume_on_every_worker(gw, version):
    context = unverified(maximum_version=version, minimum_version=version)
    session = fresh_session(gw.port, context)
    # The kernel spreads connections over both workers: 2^-16 that one was never asked.
    assert all(resumes(gw.port, context, session) for _ in range(16))


@pytest.mark.parametrize("flag", ["-tls1_2", "-tls1_3"])
def test_openssl_resumes_from_a_session_file(gw, flag, tmp_path):
    where = str(tmp_path / "session.pem")
    # -ign_eof keeps reading until the server's close: by then the tickets of 1.3 have come.
    first = s_client(gw.port, flag, "-ign_eof", "-sess_out", where, input=CLOSE)
    again = s_client(gw.port, flag, "-ign_eof", "-sess_in", where, input=CLOSE)
    assert b"\nNew, " in first.stdout and b"HTTP/1.1 200" in first.stdout
    assert b"\nReused, " in again.stdout and b"HTTP/1.1 200" in again.stdout


def test_t1_session_of_one_name_does_not_resume_under_another(make_gateway, upstream, tmp_path):
    port = free_port()
    pairs = [make_pair(tmp_path, "a", ["a.example"]), make_pair(tmp_path, "b", ["b.example"])]
    make_gateway(routes(upstream, PUBLIC), listen=listen_entry(port, pairs))
    for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
        context = unverified(maximum_version=version, minimum_version=version)
        session = fresh_session(port, context, "a.example")
        assert resumes(port, context, session, "a.example")
        assert not resumes(port, context, session, "b.example")


# ------- reload -------

def test_certificate_reload_by_sighup_keeps_open_connections(gw, tmp_path):
    old = dial(gw.port)
    assert ask(old).startswith(b"HTTP/1.1 200 ")
    cert, key = make_pair(tmp_path, "renewed", ["localhost"])
    gw.cert.write_bytes(cert.read_bytes())
    gw.key.write_bytes(key.read_bytes())
    os.kill(gw.process.pid, signal.SIGHUP)
    wait_until(lambda: shown(gw.port, "localhost") == "renewed", 5, "the new certificate")
    assert ask(old).startswith(b"HTTP/1.1 200 "), "a connection from before goes on"
    old.close()
    # Both workers have followed.
    assert {shown(gw.port, "localhost") for _ in range(12)} == {"renewed"}


@pytest.mark.parametrize("spoil", ["swapped", "truncated", "missing", "encrypted"])
def test_bad_new_pair_changes_nothing_and_says_why(gw, tmp_path, spoil):
    before, key_text = shown(gw.port, "localhost"), gw.key.read_bytes()
    old = dial(gw.port)
    assert ask(old).startswith(b"HTTP/1.1 200 ")
    cert, key = make_pair(tmp_path, "other", ["localhost"])
    if spoil == "swapped":
        gw.key.write_bytes(key.read_bytes())
    elif spoil == "truncated":
        gw.cert.write_bytes(gw.cert.read_bytes()[:200])
    elif spoil == "missing":
        gw.key.unlink()
    else:
        subprocess.run(["openssl", "pkey", "-in", key, "-aes128", "-passout", "pass:x", "-out", gw.key], check=True,
                       capture_output=True)
    os.kill(gw.process.pid, signal.SIGHUP)
    wait_until(lambda: "config.refused" in gw.process.text(), 5, "the complaint")
    line = next(l for l in gw.process.text().splitlines() if "config.refused" in l)
    assert str(gw.cert if spoil == "truncated" else gw.key) in line, line
    assert shown(gw.port, "localhost") == before and ask(old).startswith(b"HTTP/1.1 200 ")
    old.close()
    ok, answer = gw.reload()
    assert not ok and ("cannot use the" in answer["complaints"] or "does not belong to the key" in answer["complaints"])
    gw.key.write_bytes(key.read_bytes())
    gw.cert.write_bytes(cert.read_bytes())
    assert gw.reload()[0] and key_text != gw.key.read_bytes()
    wait_until(lambda: shown(gw.port, "localhost") == "other", 5, "the mended pair")


# ------- peers that misbehave -------

def test_plain_http_on_the_tls_port_ends_at_once(gw):
    with socket.create_connection(("127.0.0.1", gw.port), timeout=5 * PATIENCE) as s:
        began = time.monotonic()
        s.sendall(GET)
        data = read_all(s)
        assert time.monotonic() - began < 2 * PATIENCE
        assert data == b"" or data.startswith((b"\x15\x03", b"HTTP/1.1 400 ")), data[:40]


@pytest.mark.parametrize("junk", [
    b"\x00" * 600, b"\xff" * 600, bytes(i * 151 % 256 for i in range(600)), b"\x16\x03\x01\x40\x00" + b"\x01" * 0x4000,
    b"\x16\x03\x01\xff\xff" + b"a" * 3000, b"\x80\x2e\x01\x00\x02" + b"\x00" * 60, b"\x16\x03\x01\x00\x00",
    b"\x17\x03\x03\x00\x05hello",
], ids=["zeros", "ones", "mixed", "record_too_large", "record_that_stays_short", "sslv2", "empty_record", "data_first"])
def test_junk_for_a_hello_ends_and_harms_nobody(gw, junk):
    with dial(gw.port) as other, socket.create_connection(("127.0.0.1", gw.port), timeout=5) as s:
        s.sendall(junk)
        s.shutdown(socket.SHUT_WR)
        assert b"HTTP" not in read_all(s)
        assert ask(other).startswith(b"HTTP/1.1 200 ")
    assert gw.process.is_running()


def client_hello(context=None):
    """The bytes a client would begin with."""
    out = ssl.MemoryBIO()
    tls = (context or unverified()).wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return out.read()


@pytest.mark.parametrize("sent", ["nothing", "half a record", "a hello and no more", "bytes that trickle"])
def test_half_handshake_ends_at_the_deadline(make_gateway, upstream, sent):
    gw = make_gateway(routes(upstream, PUBLIC), server="  handshake_timeout: 1s\n")
    hello = client_hello()
    with socket.create_connection(("127.0.0.1", gw.port), timeout=20 * PATIENCE) as s:
        began = time.monotonic()
        if sent == "half a record":
            s.sendall(hello[:20])
        elif sent == "a hello and no more":
            s.sendall(hello)
        elif sent == "bytes that trickle":
            threading.Thread(target=trickle, args=(s, hello), daemon=True).start()
        read_all(s, 15)
        assert 0.8 < time.monotonic() - began < 4 * PATIENCE
    assert gw.request("GET", "/x").status == 200


def trickle(s, data):
    try:
        for i in range(len(data)):
            s.sendall(data[i:i + 1])
            time.sleep(0.1)
    except OSError:
        pass


def test_slow_handshakes_hold_up_nobody(gw):
    hello = client_hello()
    slow = []
    try:
        for i in range(200):
            s = socket.create_connection(("127.0.0.1", gw.port), timeout=5)
            s.sendall(hello[:i % len(hello)])
            slow.append(s)
        began = time.monotonic()
        for _ in range(10):
            assert gw.request("GET", "/x").status == 200
        assert time.monotonic() - began < 5 * PATIENCE
    finally:
        for s in slow:
            s.close()


def test_t4_hello_in_single_bytes_is_served(gw):
    """No sniffing in front of OpenSSL: a ClientHello in pieces gets the certificate of its name."""
    to_server, from_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = unverified().wrap_bio(from_server, to_server, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", gw.port), timeout=10 * PATIENCE) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                for byte in to_server.read():
                    s.sendall(bytes([byte]))
                from_server.write(s.recv(65536))
        for byte in to_server.read():
            s.sendall(bytes([byte]))
        tls.write(GET)
        s.sendall(to_server.read())
        answer = b""
        while b"HTTP/1.1 200" not in answer:
            from_server.write(s.recv(65536))
            try:
                answer += tls.read(65536)
            except ssl.SSLWantReadError:
                pass


@pytest.mark.parametrize("size,status", [(20000, 200), (40000, 431)])
def test_head_over_several_records(gw, size, status):
    with dial(gw.port) as tls:
        answer = ask(tls, GET.replace(b"\r\n\r\n", b"\r\nX-Big: " + b"a" * size + b"\r\n\r\n"))
        assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:60]


def test_head_in_tiny_records(gw):
    with dial(gw.port) as tls:
        for byte in GET:
            tls.sendall(bytes([byte]))
        assert tls.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_close_is_announced_by_close_notify(gw):
    with dial(gw.port) as tls:
        tls.sendall(CLOSE)
        data = b""
        while piece := tls.recv(65536):
            data += piece
        assert data.startswith(b"HTTP/1.1 200 ")


def test_g12_answer_that_breaks_off_has_no_close_notify(make_gateway, make_upstream):
    """To an HTTP/1.0 client the end of the connection is the end of the body: it must not look like a good one."""
    def breaks(request, conn):
        conn.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        return "close"

    gw = make_gateway(routes(make_upstream(breaks), PUBLIC))
    with dial(gw.port) as tls, pytest.raises((ssl.SSLError, ConnectionResetError), match="(?i)eof|reset"):
        tls.sendall(GET.replace(b"HTTP/1.1", b"HTTP/1.0"))
        while tls.recv(65536):
            pass


def test_request_cut_off_without_close_notify_reaches_the_upstream_cut_off(make_gateway, make_upstream):
    ends = []

    def handler(request, conn):
        ends.append(len(request["body"]))
        return 200, {}, b""

    up = make_upstream(handler)
    gw = make_gateway(routes(up, PUBLIC))
    tls = dial(gw.port)
    tls.sendall(b"POST /cut HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nonly this")
    wait_until(lambda: up.connections, 5, "the forwarding")
    os.close(tls.detach())
    # The upstream's read of 100 bytes ends at the connection's end: its connection was cut, not kept.
    assert wait_until(lambda: ends, 5, "the end at the upstream") == [9]
    assert gw.request("GET", "/x").status == 200


def test_renegotiation_is_refused(gw):
    child = subprocess.Popen(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{gw.port}", "-servername", "localhost", "-tls1_2"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        child.stdin.write(b"R\n")
        child.stdin.flush()
        out, _ = child.communicate(timeout=20 * PATIENCE)
    finally:
        child.kill()
    assert b"RENEGOTIATING" in out and b"no renegotiation" in out, out[-800:]
    assert gw.request("GET", "/x").status == 200


def with_early_data(pem, path):
    """The session file, as if its ticket had allowed early data: max_early_data is element [15] of its SEQUENCE."""
    der = ssl.PEM_cert_to_DER_cert(pem.replace("SSL SESSION PARAMETERS", "CERTIFICATE"))

    def element(at):
        n, head = der[at + 1], 2
        if n & 0x80:
            head, n = 2 + (n & 0x7f), int.from_bytes(der[at + 2:at + 2 + (n & 0x7f)], "big")
        return head, n

    at, end = element(0)[0], len(der)
    while at < end and (der[at] < 0xa0 or der[at] & 0x1f < 15):
        at += sum(element(at))
    inner = der[element(0)[0]:at] + b"\xaf\x04\x02\x02\x40\x00" + der[at:]
    path.write_bytes(b"\x30\x82" + len(inner).to_bytes(2, "big") + inner)


def test_early_data_is_refused_and_answered_once(gw, upstream, tmp_path):
    """0-RTT can be replayed: a client that sends it has to say it again behind the handshake."""
    session, forged, early = tmp_path / "s.pem", tmp_path / "s.der", tmp_path / "early"
    first = s_client(gw.port, "-tls1_3", "-ign_eof", "-sess_out", str(session), input=CLOSE)
    assert b"Max Early Data: 0" in first.stdout
    with_early_data(session.read_text(), forged)
    pem = tmp_path / "forged.pem"
    subprocess.run(["openssl", "sess_id", "-inform", "DER", "-in", forged, "-out", pem], check=True, capture_output=True)
    early.write_bytes(GET.replace(b"/x", b"/early"))
    again = s_client(gw.port, "-tls1_3", "-ign_eof", "-sess_in", str(pem), "-early_data", str(early), input=CLOSE)
    assert b"Early data was rejected" in again.stdout and b"\nReused, " in again.stdout, again.stdout[-3000:]
    assert b"HTTP/1.1 200" in again.stdout
    assert [r["target"] for r in upstream.requests] == ["/x", "/x"]


# ------- two kinds of key, changing places, changing keys -------

def kind_shown(port, name, *flags):
    done = s_client(port, "-servername", name, *flags, input=b"Q\n").stdout.decode()
    return next((l.split(":")[1].strip() for l in done.splitlines() if l.startswith("Peer signature type")), None)


def test_rsa_and_ecdsa_pair_serves_each_client_what_it_can_use(make_gateway, upstream, tmp_path):
    port, names = free_port(), ["pair.example", "www.pair.example"]
    pairs = [make_pair(tmp_path, "default", ["default.example"]), make_pair(tmp_path, "ec", names),
             make_pair(tmp_path, "rsa", names[::-1], RSA), make_pair(tmp_path, "lone", ["lone.example"], RSA)]
    make_gateway(routes(upstream, PUBLIC), listen=listen_entry(port, pairs))
    old = dict(maximum_version=ssl.TLSVersion.TLSv1_2)
    for name in names:
        for cipher, expected in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ec"), ("ECDHE-RSA-AES128-GCM-SHA256", "rsa"):
            context = unverified(**old)
            context.set_ciphers(cipher)
            assert shown(port, name, context) == expected
        assert kind_shown(port, name, "-tls1_3", "-sigalgs", "RSA-PSS+SHA256") == "RSA-PSS"
        assert kind_shown(port, name, "-tls1_3", "-sigalgs", "ECDSA+SHA256") == "ECDSA"
    assert shown(port, "lone.example") == "lone" and shown(port, "nobody.example") == "default"


def test_listeners_that_changed_places_keep_their_certificates(make_gateway, upstream, tmp_path):
    a, b = free_port(), free_port()
    entries = [listen_entry(p, [make_pair(tmp_path, label, ["localhost"])]) for p, label in ((a, "at-a"), (b, "at-b"))]
    gw = make_gateway(routes(upstream, PUBLIC), listen="".join(entries))
    assert (shown(a, "localhost"), shown(b, "localhost")) == ("at-a", "at-b")
    gw.base = gw.base.replace("".join(entries), "".join(entries[::-1]))
    gw.write(routes(upstream, "{path: '/new', auth: public, upstream: up}"))
    assert gw.reload()[0]

    def has_followed():
        with dial(a) as tls:
            return ask(tls).startswith(b"HTTP/1.1 404 ")

    wait_until(has_followed, 5, "the new routes")
    assert {(shown(a, "localhost"), shown(b, "localhost")) for _ in range(8)} == {("at-a", "at-b")}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_ticket_resumes_over_two_rotations_of_the_keys_and_no_further(make_gateway, upstream, version):
    every = 2
    gw = make_gateway(routes(upstream, PUBLIC), server=f"  ticket_rotation: {every}s\n")
    context = unverified(maximum_version=version, minimum_version=version)
    began = time.monotonic()
    session = fresh_session(gw.port, context)
    last = began
    while True:
        asked = time.monotonic()
        if not resumes(gw.port, context, session):
            break
        last = asked
        assert asked - began < 3 * every + 3 * PATIENCE, "a ticket outlives its key"
        time.sleep(0.1)
    # The key is new at best, so two rotations later comes before the third; the clock looks once a second.
    assert last - began > 2 * every - 1.5
