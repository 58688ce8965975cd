import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from understudy.blender_addon.client import Client
from understudy.core.errors import InvalidClip, InvalidReference, JobFailed, JobNotFound, ServerUnreachable, Unauthorized
from understudy.core.protocol import PROTOCOL, GenerationSettings, JobRequest


@pytest.fixture
def redirecting_server():
    """The address of a server that sends everybody on to another page of its own, and the tokens that arrived there."""
    arrived: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/elsewhere":
                arrived.append(self.headers.get("Authorization"))
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", arrived
    server.shutdown()
    thread.join()
    server.server_close()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_health_and_engines_are_read(client):
    assert client.health()["protocol"] == PROTOCOL
    assert "understudy" in [engine["name"] for engine in client.engines()]


def test_a_wrong_token_is_unauthorized(client):
    with pytest.raises(Unauthorized):
        Client(client.url, "wrong").engines()


def test_nobody_listening_is_unreachable_and_names_the_address():
    with pytest.raises(ServerUnreachable, match=r"127\.0\.0\.1"):
        Client(f"http://127.0.0.1:{free_port()}", "token").health()


@pytest.mark.parametrize("url", ["", "not an address", "http://", "ftp://127.0.0.1"])
def test_an_address_that_is_none_is_unreachable(url):
    with pytest.raises(ServerUnreachable):
        Client(url, "token").health()


def test_the_servers_refusals_are_raised_as_what_they_are(client):
    with pytest.raises(JobNotFound):
        client.job("nosuchjob")
    with pytest.raises(InvalidClip):
        client.submit(JobRequest(GenerationSettings(engine="understudy")), b"no clip", {}, key="k")


def test_a_proxy_in_the_environment_never_sees_the_token(client, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    assert client.health()["protocol"] == PROTOCOL


def test_a_persons_name_may_hold_quotes_and_letters_of_any_script(client, clip_of):
    clip = clip_of('Ann "the Ünder" 演員')
    with pytest.raises(InvalidReference, match='Ann "the Ünder" 演員'):
        client.submit(JobRequest(GenerationSettings()), clip.to_bytes(), {clip.people[0]: b"not a picture"}, key="quotes")


def test_a_redirect_is_refused_and_the_token_goes_nowhere(redirecting_server):
    url, elsewhere = redirecting_server
    with pytest.raises(JobFailed, match="302"):
        Client(url, "token").health()
    assert elsewhere == []
