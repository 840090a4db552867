"""The field: postern, nginx (with its Lua module), HAProxy and the floor, each set up to do the same work."""
import pathlib
import subprocess
import sys
import time

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/e2e"))
import conftest  # noqa: E402

USERS = 1000
SECRET = "0123456789abcdef0123456789abcdef"
BIG = 10 * 1024 * 1024
MODULES = "/usr/lib/nginx/modules"


def pinned(cpu, args, folder, name):
    return conftest.Process(["taskset", "-c", str(cpu), *args], folder, name)


class Work:
    """What all proxies share: certificate, keys, tokens of other people, the origin."""

    def __init__(self, folder):
        self.folder = folder
        self.cert, self.key = conftest.certificate(folder)
        (folder / "both.pem").write_bytes(self.cert.read_bytes() + self.key.read_bytes())
        (folder / "secret").write_text(SECRET)
        for name, args in (("RS256", ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
                           ("ES256", ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"])):
            subprocess.run(["openssl", "genpkey", *args, "-out", folder / f"{name}.pem"], check=True, capture_output=True)
            subprocess.run(["openssl", "pkey", "-in", folder / f"{name}.pem", "-pubout", "-out", folder / f"{name}.pub"],
                           check=True, capture_output=True)
        self.origin_port = conftest.free_port()
        self.processes = []

    def tokens(self, alg, count):
        key = SECRET if alg == "HS256" else load_pem_private_key((self.folder / f"{alg}.pem").read_bytes(), None)
        end = int(time.time()) + 36000
        return [jwt.encode({"iss": f"bench-{alg}", "aud": "ml", "sub": f"user-{n % USERS}", "exp": end, "jti": str(n)}, key, alg)
                for n in range(count)]

    def start(self, cpu, args, name):
        process = pinned(cpu, args, self.folder, name)
        self.processes.append(process)
        return process

    def start_origin(self):
        where = self.folder / "origin"
        where.mkdir()
        (where / "big").write_bytes(b"x" * BIG)
        self.start(1, nginx_args(where, f"""
            server {{
                listen 127.0.0.1:{self.origin_port} backlog=1024;
                client_max_body_size 0;
                client_body_buffer_size 64k;
                location / {{ return 200 '{'x' * 1024}'; }}
                location = /big {{ root {where}; }}
                location = /up {{ content_by_lua_block {{
                    local body = ngx.req.socket()
                    while body and body:receive(65536) do end
                    ngx.say("ok")
                }} }}
            }}"""), "origin")

    def stop(self):
        for process in reversed(self.processes):
            process.stop()


def nginx_args(folder, http):
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"load_module {MODULES}/ndk_http_module.so; load_module {MODULES}/ngx_http_lua_module.so;\n"
        f"user root; daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log crit; worker_rlimit_nofile 20000;\n"
        f"events {{ worker_connections 10000; }}\n"
        f"http {{ access_log off; keepalive_requests 100000000; keepalive_timeout 600s; {temporary}\n{http}\n}}\n")
    return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]


class Floor:
    name = "floor"

    def __init__(self, work, program):
        self.plain, self.tls = conftest.free_port(), conftest.free_port()
        self.processes = {
            "S1": work.start(0, [program, self.plain, work.origin_port], "floor-plain"),
            "S2": work.start(0, [program, self.tls, work.origin_port, work.cert, work.key], "floor-tls"),
        }

    def process(self, scenario):
        return self.processes["S1" if scenario == "S1" else "S2"]

    def url(self, scenario):
        return {"S1": f"http://127.0.0.1:{self.plain}/open", "S2": f"https://127.0.0.1:{self.tls}/open",
                "S6": f"https://127.0.0.1:{self.tls}/open", "S7": f"https://127.0.0.1:{self.tls}"}.get(scenario)

    def credential(self, scenario):
        return []


class Nginx:
    """JWT and keys by the Lua module: what a team writes that has nginx already. Redis each time for S5."""

    name = "nginx"
    VERIFY = """
        local hmac, json = require "openssl.hmac", require "cjson.safe"
        local function plain(text)
            text = text:gsub("-", "+"):gsub("_", "/")
            return ngx.decode_base64(text .. ("="):rep(-#text %% 4))
        end
        local function same(a, b)
            if #a ~= #b then return false end
            local diff = 0
            for i = 1, #a do diff = bit.bor(diff, bit.bxor(a:byte(i), b:byte(i))) end
            return diff == 0
        end
        local head, body, mac = (ngx.var.http_authorization or ""):match("^Bearer ([%%w_-]+)%%.([%%w_-]+)%%.([%%w_-]+)$")
        local header = head and json.decode(plain(head) or "")
        if not header or header.alg ~= "HS256" or
            not same(plain(mac) or "", hmac.new("%s", "sha256"):final(head .. "." .. body)) then
            return ngx.exit(401)
        end
        local claims = json.decode(plain(body) or "")
        if not claims or claims.iss ~= "bench-HS256" or claims.aud ~= "ml" or type(claims.exp) ~= "number" or claims.exp <= ngx.time() then
            return ngx.exit(401)
        end
        ngx.req.set_header("X-User-Id", claims.sub)
    """
    KEY = """
        local redis = require("nginx.redis"):new()
        if not redis:connect("unix:%s") then return ngx.exit(503) end
        redis:init_pipeline()
        redis:get("key:" .. (ngx.var.http_x_api_key or ""))
        redis:incr("count:" .. (ngx.var.http_x_api_key or "") .. ":" .. math.floor(ngx.time() / 60))
        local answers = redis:commit_pipeline()
        redis:set_keepalive(60000, 64)
        if not answers then return ngx.exit(503) end
        if answers[1] == ngx.null then return ngx.exit(401) end
        if answers[2] > 900000000 then return ngx.exit(429) end
        ngx.req.set_header("X-User-Id", answers[1])
    """

    def __init__(self, work, redis_socket):
        self.ports = {s: conftest.free_port() for s in ("S1", "S2", "S3", "S5")}
        where = work.folder / "nginx"
        where.mkdir()
        tls = f"ssl_certificate {work.cert}; ssl_certificate_key {work.key}; ssl_protocols TLSv1.3; ssl_session_cache shared:s:10m;"
        access = {"S3": self.VERIFY % SECRET, "S5": self.KEY % redis_socket}
        servers = "".join(
            f"server {{ listen 127.0.0.1:{port} backlog=1024{' ssl' if s != 'S1' else ''}; {tls if s != 'S1' else ''}\n"
            f" client_max_body_size 0; proxy_request_buffering off; proxy_buffering {'on' if s != 'S2' else 'off'};\n"
            f" location / {{ proxy_pass http://o; proxy_http_version 1.1; proxy_set_header Connection ''; proxy_set_header X-User-Id '';\n"
            + (f" access_by_lua_block {{ {access[s]} }}\n proxy_set_header X-User-Id $http_x_user_id;\n" if s in access else "")
            + " } }\n"
            for s, port in self.ports.items())
        lua = "lua_package_path '/usr/share/lua/5.1/?.lua;;'; lua_package_cpath '/usr/lib/x86_64-linux-gnu/lua/5.1/?.so;;';\n"
        upstream = f"upstream o {{ server 127.0.0.1:{work.origin_port}; keepalive 64; keepalive_requests 100000000; }}\n"
        servers = servers.replace("proxy_set_header X-User-Id '';\n access", "\n access")
        self.running = work.start(0, nginx_args(where, lua + upstream + servers), "nginx")

    def process(self, scenario):
        return self.running

    def url(self, scenario):
        if scenario == "S1":
            return f"http://127.0.0.1:{self.ports['S1']}/open"
        if scenario in ("S3", "S5"):
            return f"https://127.0.0.1:{self.ports[scenario]}/open"
        path = {"S2": "/open", "S6": "/open", "S7": "", "S9": "/open"}.get(scenario)
        return None if path is None else f"https://127.0.0.1:{self.ports['S2']}{path}"

    def credential(self, scenario):
        return {"S5": [f"X-API-Key: key-{n}" for n in range(USERS)]}.get(scenario, [])


class Haproxy:
    name = "haproxy"

    def __init__(self, work):
        self.ports = {s: conftest.free_port() for s in ("S1", "S2", "S3", "S4-RS256", "S4-ES256", "S5")}
        where = work.folder
        (where / "map").write_text("".join(f"key-{n} user-{n}\n" for n in range(USERS)))

        def verify(alg, key):
            return (f" http-request del-header x-user-id\n http-request set-var(txn.b) http_auth_bearer\n"
                    f" http-request deny deny_status 401 unless {{ var(txn.b),jwt_header_query('$.alg') -m str {alg} }}\n"
                    f" http-request deny deny_status 401 unless {{ var(txn.b),jwt_verify(\"{alg}\",\"{key}\") -m int 1 }}\n"
                    f" http-request deny deny_status 401 unless {{ var(txn.b),jwt_payload_query('$.iss') -m str bench-{alg} }}\n"
                    f" http-request set-var(txn.e) var(txn.b),jwt_payload_query('$.exp','int')\n"
                    f" http-request set-var(txn.n) date()\n"
                    f" http-request deny deny_status 401 unless {{ var(txn.e),sub(txn.n) -m int gt 0 }}\n"
                    f" http-request set-header X-User-Id %[var(txn.b),jwt_payload_query('$.sub')]\n")

        rules = {
            "S3": verify("HS256", SECRET),
            "S4-RS256": verify("RS256", f"{where}/RS256.pub"),
            "S4-ES256": verify("ES256", f"{where}/ES256.pub"),
            "S5": (f" stick-table type string size 1m expire 10m store http_req_rate(1m)\n http-request del-header x-user-id\n"
                   f" http-request set-var(txn.u) req.hdr(X-API-Key),map({where}/map)\n"
                   f" http-request deny deny_status 401 unless {{ var(txn.u) -m found }}\n http-request del-header x-api-key\n"
                   f" http-request set-header X-User-Id %[var(txn.u)]\n"
                   f" http-request track-sc0 var(txn.u)\n http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt 900000000 }}\n"),
        }
        (where / "haproxy.cfg").write_text(
            "global\n nbthread 1\n maxconn 8000\n tune.ssl.default-dh-param 2048\n ssl-default-bind-options ssl-min-ver TLSv1.3\n"
            "defaults\n mode http\n timeout connect 2s\n timeout client 600s\n timeout server 60s\n timeout http-keep-alive 600s\n"
            " timeout http-request 600s\n http-reuse always\n"
            f"backend o\n server o 127.0.0.1:{work.origin_port}\n"
            + "".join(f"frontend {s}\n bind 127.0.0.1:{p} backlog 1024{'' if s == 'S1' else f' ssl crt {where}/both.pem'}\n{rules.get(s, '')} default_backend o\n"
                      for s, p in self.ports.items()))
        subprocess.run(["haproxy", "-c", "-q", "-f", where / "haproxy.cfg"], check=True)
        self.running = work.start(0, ["haproxy", "-f", where / "haproxy.cfg"], "haproxy")

    def process(self, scenario):
        return self.running

    def url(self, scenario):
        base = scenario.removesuffix("-cached")
        port = self.ports.get(base, self.ports["S2"])
        return f"{'http' if base == 'S1' else 'https'}://127.0.0.1:{port}{'' if base == 'S7' else '/open'}"

    def credential(self, scenario):
        return {"S5": [f"X-API-Key: key-{n}" for n in range(USERS)]}.get(scenario, [])


class Postern:
    name = "postern"

    def __init__(self, work):
        self.plain = conftest.free_port()
        self.gateway = gw = conftest.Gateway(work.folder, "", tls=True)
        gw.base = gw.base.replace("workers: 2", "workers: 1").replace(
            f"access: {work.folder}/access.log", "access: off").replace(
            "admin:", f"  - address: 127.0.0.1:{self.plain}\nadmin:", 1)
        keys = {"HS256": f"secret: 'file:{work.folder}/secret'", "RS256": f"key_file: {work.folder}/RS256.pub",
                "ES256": f"key_file: {work.folder}/ES256.pub"}
        issuers = ", ".join(f"{{issuer: bench-{alg}, audience: [ml], algorithms: [{alg}], {key}}}" for alg, key in keys.items())
        gw.write(
            f"auth: {{issuers: [{issuers}]}}\n"
            "limits: {per_user: {key: user, rate: [900000000/min]}}\n"
            f"upstreams: {{o: {{servers: ['http://127.0.0.1:{work.origin_port}'], keepalive: 64}}}}\n"
            "routes:\n  - {path: /open, auth: public, upstream: o}\n  - {path: /big, auth: public, upstream: o}\n"
            "  - {path: /up, auth: public, upstream: o}\n  - {path: /jwt, upstream: o}\n  - {path: /key, limit: [per_user], upstream: o}\n")
        gw.process = work.start(0, [conftest.BUILD / "postern", "-c", gw.path], "postern")
        conftest.wait_until(gw.is_ready, what="postern")
        self.keys = []
        for n in range(USERS // 10):
            gw.user(f"user{n}")
            self.keys.append(f"X-API-Key: {gw.api_key(f'user{n}')[0]}")

    def process(self, scenario):
        return self.gateway.process

    def url(self, scenario):
        if scenario == "S1":
            return f"http://127.0.0.1:{self.plain}/open"
        path = {"S3": "/jwt", "S5": "/key", "S7": ""}.get(scenario, "/jwt" if scenario.startswith("S4") else "/open")
        return f"https://127.0.0.1:{self.gateway.port}{path}"

    def credential(self, scenario):
        return self.keys if scenario == "S5" else []
