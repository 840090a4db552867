"""Client certificates: who is let in by one, who is named by it, and what no header can do about it. T1 to T3, H14."""
import http.client
import json
import socket
import ssl
import time

import pytest
from authority import Authority
from conftest import certificate, free_port, routes, wait_until

ROUTES = (
    "{path: /admin, roles: [admin], upstream: up}",
    "{path: /public, auth: public, upstream: up}",
    "{path: /maybe, auth: optional, upstream: up}",
    "{path: /only/mtls, methods_auth: [mtls], upstream: up}",
    "{path: /only/keys, methods_auth: [api_key], upstream: up}",
    "{path: /named, client_subject: [robot-1, svc.example.com, 'spiffe://mesh/ocr'], upstream: up}",
    "{path: /named/public, auth: public, client_subject: [robot-1], upstream: up}",
    "{path: '/**', upstream: up}",
)


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def make_mtls(make_gateway, upstream, authority, tmp_path):
    """make(need, mtls_user) -> a gateway that asks for certificates of `authority`."""
    def make(need="optional", mtls_user="cn", ca=None, rows=ROUTES):
        port = free_port()
        cert, key = certificate(tmp_path)
        listen = (f"  - address: 127.0.0.1:{port}\n    tls: {{certificate: {cert}, key: {key}, "
                  f"client_ca: {ca or authority.pem}, client_certificate: {need}}}\n")
        gw = make_gateway(f"auth: {{mtls_user: {mtls_user}}}\n" + routes(upstream, *rows), listen=listen)
        gw.port = port
        return gw
    return make


def context_with(gw, pair=None):
    context = gw.client_context()
    if pair:
        context.load_cert_chain(*pair)
    return context


def ask(gw, path="/x", pair=None, headers=None, method="GET", context=None):
    """(status, what the upstream saw or the problem)."""
    c = http.client.HTTPSConnection("localhost", gw.port, timeout=20, context=context or context_with(gw, pair))
    try:
        c.request(method, path, headers=headers or {})
        r = c.getresponse()
        return r.status, json.loads(r.read() or b"{}")
    finally:
        c.close()


def seen(gw, *args, **kwargs):
    status, body = ask(gw, *args, **kwargs)
    assert status == 200, (status, body)
    return {k.lower(): v for k, v in body["headers"]}


def is_shut_out(gw, pair=None):
    """No request gets through: the handshake or the first reading fails."""
    try:
        status, _ = ask(gw, pair=pair)
    except (ssl.SSLError, ConnectionError, http.client.BadStatusLine, socket.timeout):
        return True
    raise AssertionError(f"was answered with {status}")


def test_common_name_becomes_the_user(make_mtls, authority):
    gw = make_mtls("required")
    h = seen(gw, pair=authority.sign("robot-1"))
    assert h["x-user-id"] == "robot-1" and h["x-user-name"] == "robot-1"
    assert h["x-auth-method"] == "mtls" and h["x-user-roles"] == "user"
    assert "x-auth-scopes" not in h


@pytest.mark.parametrize("part,wanted", [
    ("cn", "robot-1"), ("san_dns", "svc.example.com"), ("san_email", "ops@example.com"), ("san_uri", "spiffe://mesh/ocr"),
])
def test_each_part_can_name_the_user(make_mtls, authority, part, wanted):
    gw = make_mtls("required", part)
    pair = authority.sign("robot-1", dns=["svc.example.com"], email=["ops@example.com"], uri=["spiffe://mesh/ocr"])
    assert seen(gw, pair=pair)["x-user-id"] == wanted
    if part != "cn":
        assert ask(gw, pair=authority.sign("robot-1"))[0] == 401, "another part does not stand in"


def test_required_means_nobody_without(make_mtls, authority, upstream):
    gw = make_mtls("required")
    assert is_shut_out(gw)
    assert not upstream.requests
    assert ask(gw, "/public", authority.sign("robot-1"))[0] == 200


@pytest.mark.parametrize("need", ["required", "optional"])
def test_certificate_of_another_authority_is_refused(make_mtls, authority, tmp_path, upstream, need):
    gw = make_mtls(need)
    other = Authority(tmp_path, "Somebody else", "other.pem")
    twin = Authority(tmp_path, "Test authority", "twin.pem")  # the same name, another key
    for pair in other.sign("robot-1"), twin.sign("robot-1"), certificate(tmp_path, "robot-1"):
        assert is_shut_out(gw, pair)
    assert not upstream.requests


@pytest.mark.parametrize("need", ["required", "optional"])
def test_certificate_out_of_its_time_is_refused(make_mtls, authority, need):
    gw = make_mtls(need)
    assert is_shut_out(gw, authority.sign("robot-1", begins_s=-7200, ends_s=-3600))
    assert is_shut_out(gw, authority.sign("robot-1", begins_s=3600, ends_s=7200))


def test_certificate_for_servers_is_no_client_certificate(make_mtls, authority):
    gw = make_mtls("optional")
    assert is_shut_out(gw, authority.sign("robot-1", server=True))


def test_optional_without_certificate_asks_for_a_credential(make_mtls, authority):
    gw = make_mtls("optional")
    gw.user("alice")
    key, record = gw.api_key("alice")
    assert ask(gw)[0] == 401
    assert seen(gw, "/public")["x-auth-method"] == "none"
    assert seen(gw, "/maybe")["x-auth-method"] == "none"
    assert seen(gw, headers={"X-API-Key": key})["x-auth-method"] == "api_key"
    assert seen(gw, "/maybe", authority.sign("robot-1"))["x-user-id"] == "robot-1"


def test_k5_credential_in_the_head_decides_and_falls_back_on_nothing(make_mtls, authority):
    gw = make_mtls("optional")
    alice, pair = gw.user("alice"), authority.sign("robot-1")
    key, _ = gw.api_key("alice")
    h = seen(gw, pair=pair, headers={"X-API-Key": key})
    assert h["x-user-id"] == alice["id"] and h["x-auth-method"] == "api_key"
    for bad in ({"X-API-Key": "sk_wrong"}, {"Authorization": "Bearer a.b.c"}, {"Authorization": "Basic YTpi"},
                {"X-API-Key": ""}):
        assert ask(gw, pair=pair, headers=bad)[0] == 401, bad


def test_route_chooses_the_kinds_of_credentials(make_mtls, authority):
    gw = make_mtls("optional")
    gw.user("alice")
    key, pair = gw.api_key("alice")[0], authority.sign("robot-1")
    assert ask(gw, "/only/mtls", pair)[0] == 200
    assert ask(gw, "/only/mtls", pair, {"X-API-Key": key})[0] == 401
    assert ask(gw, "/only/keys", pair)[0] == 401
    assert ask(gw, "/only/keys", pair, {"X-API-Key": key})[0] == 200


def test_certificate_names_nobody_unless_configured(make_mtls, authority):
    gw = make_mtls("required", "none")
    assert ask(gw, pair=authority.sign("robot-1"))[0] == 401
    assert ask(gw, "/public", authority.sign("robot-1"))[0] == 200


def test_certificate_is_a_user_and_no_more(make_mtls, authority):
    gw = make_mtls("required")
    for cn in "robot-1", "admin", "dev":
        assert ask(gw, "/admin", authority.sign(cn))[0] == 403


@pytest.mark.parametrize("cn", ["usr_0123456789", "USR_0123456789"])
def test_certificate_cannot_name_one_of_our_users(make_mtls, authority, cn):
    """An id of our form is somebody else's here: their jobs, limits and streams are not the certificate's."""
    gw = make_mtls("required")
    assert ask(gw, pair=authority.sign(cn))[0] == 401


def test_h14_name_that_can_be_read_in_two_ways_names_nobody(make_mtls, authority):
    gw = make_mtls("required")
    for names in ["robot-1\0.example"], ["robot\n1"], ["robot-1", "robot-2"], [" robot-1"]:
        assert ask(gw, pair=authority.sign(*names))[0] == 401, names


def test_named_subjects_are_let_in_and_no_others(make_mtls, authority):
    gw = make_mtls("optional")
    gw.user("alice")
    key = {"X-API-Key": gw.api_key("alice")[0]}
    assert ask(gw, "/named", authority.sign("robot-1"))[0] == 200
    assert ask(gw, "/named", authority.sign("x", dns=["svc.example.com"]))[0] == 200
    assert ask(gw, "/named", authority.sign("x", uri=["spiffe://mesh/ocr"]))[0] == 200
    for pair in authority.sign("robot-2"), authority.sign("robot-10"), authority.sign("x", dns=["robot-1.example.com"]):
        assert ask(gw, "/named", pair)[0] == 403
    assert ask(gw, "/named", None, key)[0] == 403, "a good key is not the certificate that was asked for"
    assert ask(gw, "/named", authority.sign("robot-1"), key)[0] == 200
    assert ask(gw, "/named", authority.sign("robot-2"), key)[0] == 403
    assert ask(gw, "/named/public")[0] == 403
    assert ask(gw, "/named/public", authority.sign("robot-1"))[0] == 200


def test_second_alternative_name_counts_among_the_named_subjects(make_mtls, authority):
    gw = make_mtls("optional")
    assert ask(gw, "/named", authority.sign("x", dns=["first.example.com", "svc.example.com"]))[0] == 200


@pytest.mark.parametrize("name", [
    "X-User-Id", "X_User_Id", "X-SSL-Client-Cert", "X-SSL-Client-S-DN", "X-SSL-Client-Verify", "X-Client-Cert",
    "X-Forwarded-Client-Cert", "Ssl-Client-Cert", "X-ARR-ClientCert", "Client-Cert", "X-Forwarded-Tls-Client-Cert",
])
def test_h1_no_header_stands_for_a_certificate(make_mtls, name):
    gw = make_mtls("optional")
    forged = {name: "robot-1"}
    assert ask(gw, headers=forged)[0] == 401
    assert ask(gw, "/named", headers=forged)[0] == 401
    assert ask(gw, "/named/public", headers=forged)[0] == 403


def test_t2_open_connection_ends_with_its_certificate(make_mtls, authority):
    gw = make_mtls("required")
    pair = authority.sign("robot-1", ends_s=4)
    ends = time.time() + 5
    c = http.client.HTTPSConnection("localhost", gw.port, timeout=20, context=context_with(gw, pair))

    def status():
        c.request("GET", "/x")
        r = c.getresponse()
        r.read()
        return r.status
    assert status() == 200
    wait_until(lambda: time.time() > ends, 10, "the end of the certificate")
    assert status() == 401, "on the same connection"
    c.close()
    assert is_shut_out(gw, pair)


def resumable(gw, pair, version):
    """A context whose sessions can be taken up again: each version has its own way of tickets."""
    context = context_with(gw, pair)
    context.minimum_version = context.maximum_version = version
    return context


def one_request(gw, context, name="localhost", host="localhost", session=None):
    """(status, user, was the session resumed, the session for the next time)."""
    raw = socket.create_connection(("127.0.0.1", gw.port), timeout=20)
    context.check_hostname = name == "localhost"
    with context.wrap_socket(raw, server_hostname=name, session=session) as s:
        s.sendall(f"GET /x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while piece := s.recv(65536):
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        status = int(head.split(b" ")[1])
        user = dict(json.loads(body)["headers"]).get("x-user-id") if status == 200 else None
        return status, user, s.session_reused, s.session


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_t2_resumed_session_keeps_its_certificate(make_mtls, authority, version):
    gw = make_mtls("required")
    context = resumable(gw, authority.sign("robot-1"), version)
    status, user, reused, session = one_request(gw, context)
    assert (status, user, reused) == (200, "robot-1", False)
    status, user, reused, _ = one_request(gw, context, session=session)
    assert (status, user, reused) == (200, "robot-1", True)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_t1_session_does_not_outlive_its_authority(make_mtls, authority, tmp_path, version):
    ca = tmp_path / "in-use.pem"
    ca.write_bytes(authority.pem.read_bytes())
    gw = make_mtls("required", ca=ca)
    context = resumable(gw, authority.sign("robot-1"), version)
    session = one_request(gw, context)[3]
    twin = Authority(tmp_path, "Test authority", "twin.pem")  # the authority was made anew under its old name
    ca.write_bytes(twin.pem.read_bytes())
    assert gw.reload()[0]
    pair = twin.sign("robot-2")
    wait_until(lambda: not is_refused(gw, pair), what="the new authority")
    try:
        status, user, reused, _ = one_request(gw, context, session=session)
    except (ssl.SSLError, ConnectionError):
        return
    except IndexError:  # closed without an answer
        return
    raise AssertionError((status, user, reused))


def is_refused(gw, pair):
    try:
        return is_shut_out(gw, pair)
    except AssertionError:
        return False


def test_t3_host_must_be_the_name_of_the_handshake(make_mtls, authority):
    gw = make_mtls("required")
    pair = authority.sign("robot-1")
    assert one_request(gw, context_with(gw, pair), host="localhost")[0] == 200
    assert one_request(gw, context_with(gw, pair), host="other.example.com")[0] == 421


def test_plain_listener_knows_no_certificates(make_gateway, upstream):
    gw = make_gateway(routes(upstream, *ROUTES), tls=False)
    assert gw.request("GET", "/named/public", {"X-SSL-Client-S-DN": "CN=robot-1"}).status == 403
    assert gw.request("GET", "/only/mtls").status == 401


def test_audit_names_who_was_refused(make_mtls, authority):
    gw = make_mtls("required")
    ask(gw, "/admin", authority.sign("robot-1"))
    line = wait_until(lambda: [a for a in gw.audit_lines() if a["event"] == "auth.forbidden"], what="the audit line")[0]
    assert line["user"] == "robot-1" and line["detail"] == "role"
