"""Attacks that must fail."""

from __future__ import annotations

import contextlib
import socket
import stat

import httpx
import pytest
from understudy.core.errors import ServerStartFailed
from understudy.server.security import MAX_BODY_BYTES, allowed_hosts, new_token, require_allowed_bind


def raw(server, *lines: str, body: bytes = b"") -> int:
    """Send a request as written, and return the status of the answer."""
    port = int(server.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        return int(connection.recv(4096).split()[1])


def get(server, *headers: str) -> int:
    return raw(server, "GET /v1/health HTTP/1.1", f"Authorization: Bearer {server.token}", *headers)


def host(server) -> str:
    return f"Host: {server.url.removeprefix('http://')}"


@pytest.mark.parametrize("name", ["evil.example", "0.0.0.0", "localhost.evil.example", "127.0.0.1.nip.io"])
def test_a_rebound_name_is_misdirected(server, name):
    port = server.url.rpartition(":")[2]
    assert get(server, f"Host: {name}:{port}") == 421


def test_a_wrong_port_is_misdirected(server):
    assert get(server, "Host: 127.0.0.1:1") == 421
    assert get(server, "Host: 127.0.0.1") == 421


def test_no_host_and_two_hosts_are_bad_requests(server):
    assert get(server) == 400
    assert get(server, host(server), host(server)) == 400
    assert raw(server, "GET /v1/health HTTP/1.0", f"Authorization: Bearer {server.token}") == 400


def test_localhost_is_this_server(server):
    assert get(server, f"Host: localhost:{server.url.rpartition(':')[2]}") == 200


@pytest.mark.parametrize(
    "header", ["Origin: http://127.0.0.1", "Origin: null", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: no-cors"]
)
def test_a_browser_is_refused_even_with_the_token(server, header):
    assert get(server, host(server), header) == 403


def test_a_preflight_is_refused(server):
    lines = ("OPTIONS /v1/jobs HTTP/1.1", host(server), "Origin: http://evil.example", "Access-Control-Request-Method: POST")
    assert raw(server, *lines) == 403


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer wrong", "Basic dXNlcjpwYXNz", "Bearer \xe9\xe8", "{token}", "Basic {token}"]
)
def test_without_the_token_nothing_is_answered(server, authorization):
    headers = {} if authorization is None else {b"Authorization": authorization.format(token=server.token).encode("latin-1")}
    for path in ("/v1/health", "/v1/jobs", "/v1/engines", "/nowhere"):
        response = httpx.get(server.url + path, headers=headers)
        assert response.status_code == 401
        assert response.json()["error"] == "Unauthorized"


def test_the_token_is_no_query_parameter(server):
    assert httpx.get(f"{server.url}/v1/health", params={"token": server.token}).status_code == 401


def test_the_token_is_in_no_log_and_no_argument(server):
    server.client.get("/v1/health")
    assert server.token not in (server.data.parent / "data.log").read_text()
    assert server.token not in " ".join(server.process.args)


def test_the_token_file_is_the_owners_alone(server):
    assert stat.S_IMODE((server.data / "server.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700


def test_a_token_has_256_bits_and_is_new_each_time():
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(token) >= 256 / 6 for token in tokens)


def test_a_body_that_never_ends_is_cut_off(server):
    sent = 0

    def endless():
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="clip.npz"; filename="clip.npz"\r\n\r\n'
        while True:
            sent += 2**20
            yield bytes(2**20)

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    with contextlib.suppress(httpx.TransportError):  # it may hang up on us while we are still sending
        assert server.client.post("/v1/jobs", content=endless(), headers=headers).status_code == 413
    assert MAX_BODY_BYTES < sent < 2 * MAX_BODY_BYTES  # some of it waits in buffers on the way
    assert server.client.get("/v1/health").status_code == 200


def test_headers_that_are_too_large_are_refused(server):
    assert get(server, host(server), *[f"X-Much-{number}: {'x' * 1024}" for number in range(16)]) == 431
    # Who refuses this one depends on how it arrives.
    assert get(server, host(server), f"X-Much: {'x' * 64 * 1024}") in (400, 431)
    assert server.client.get("/v1/health").status_code == 200


def test_a_body_that_says_it_is_too_large_is_not_read(server):
    headers = (f"Authorization: Bearer {server.token}", host(server), "Content-Length: 99999999999")
    assert raw(server, "POST /v1/jobs HTTP/1.1", *headers, "Content-Type: multipart/form-data; boundary=x") == 413


@pytest.mark.parametrize("path", ["..%2f..%2fserver.json", "%2e%2e", "..%5c..", "%00", "x/frames/..%2f..%2fclip.npz"])
def test_traversal_finds_nothing(server, path):
    for tail in ("", "/frames/0", "/preview", "/events"):
        assert raw(server, f"GET /v1/jobs/{path}{tail} HTTP/1.1", host(server), f"Authorization: Bearer {server.token}") in (
            400,
            404,
        )


def test_documentation_is_not_served(server):
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert server.client.get(path).status_code == 404


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.5", "::"])
def test_a_bind_beyond_this_machine_must_be_asked_for(address):
    with pytest.raises(ServerStartFailed, match="other machines"):
        require_allowed_bind(address, [])
    require_allowed_bind(address, ["render1.lan"])


def test_a_bind_to_a_name_is_refused():
    with pytest.raises(ServerStartFailed, match="not an IP address"):
        require_allowed_bind("localhost", [])


def test_hosts_are_named_with_their_port():
    assert allowed_hosts("127.0.0.1", 80, ["Render1.lan"]) == {"127.0.0.1:80", "localhost:80", "render1.lan:80"}
    assert "[::1]:80" in allowed_hosts("::1", 80, [])
