"""Nobody but the page itself gets at images and points: each way in is tried at a running server."""

import json
import os
import socket

import pytest
from PIL import Image
from served import Served, make_images

EVIL = "<img onerror=alert(1) src=x>"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("security")
    images = make_images(folder / "images")
    (folder / "secret.txt").write_text("secret")
    Image.new("RGB", (9, 9)).save(folder / "outside.png")
    (images / "link.png").symlink_to(folder / "outside.png")
    (images / "linked").symlink_to(folder, target_is_directory=True)
    Image.new("RGB", (9, 9)).save(images / f"{EVIL.replace('/', '')}.png")
    served = Served(images, folder / "points.csv", classes=("land", EVIL))
    yield served
    served.stop()


def start(server):
    return json.loads(server.request("GET", "/api/start")[2])


def test_the_token_opens_the_page_and_becomes_a_cookie(server):
    status, headers, _ = server.request("GET", f"/?token={server.token}", Cookie=None)
    assert (status, headers["location"]) == (303, "/")
    cookie = headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    status, headers, body = server.request("GET", "/")
    assert status == 200
    assert b"/static/main.js" in body
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/?token=wrong", "/api/start", "/static/main.js", "/api/images/0/tiles/0/0/0"])
@pytest.mark.parametrize("cookie", [None, "mmseg_ext_annotate_{port}=wrong", "other=1; ;;=,"])
def test_without_the_token_there_is_nothing(server, path, cookie):
    cookie = cookie and cookie.format(port=server.port)
    assert server.request("GET", path, Cookie=cookie)[0] == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "", None])
def test_a_foreign_host_is_refused(server, host):
    host = host and host.format(port=server.port)
    assert server.request("GET", "/api/start", Host=host)[0] == 400


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1:{port}", None]
)
def test_another_origin_changes_nothing(server, origin):
    body = json.dumps({"image": 0, "x": 1, "y": 1, "label": 0}).encode()
    before = start(server)["revision"]
    origin = origin and origin.format(port=server.port)
    assert server.request("POST", "/api/points", body, Origin=origin)[0] == 403
    assert start(server)["revision"] == before


def test_another_site_reads_nothing(server):
    assert server.request("GET", "/api/start", Origin="http://evil.example")[0] == 403
    assert server.request("GET", "/api/images/0/tiles/0/0/0", **{"Sec-Fetch-Site": "cross-site"})[0] == 403


@pytest.mark.parametrize(
    "path",
    [
        "/static/../annotation_app.py",
        "/static/%2e%2e/annotation_app.py",
        "/static/..%2fannotation_app.py",
        "/static//etc/passwd",
        "/../../etc/passwd",
        "/api/images/../../secret.txt",
        "/api/images/..%2f..%2fsecret.txt",
        "/api/images/image_0.png",
        "/api/images/-1",
        "/api/images/0/..%2f..%2fclasses.png",
        "/api/images/99999999999999999999999/tiles/0/0/0",
    ],
)
def test_no_path_leads_out_of_the_folder(server, path):
    status, _, body = server.request("GET", path)
    assert status in (400, 404)
    assert b"secret" not in body
    assert b"import" not in body


def test_links_out_of_the_folder_are_no_images(server):
    names = start(server)["images"]
    assert sorted(names) == sorted(
        ["image_0.png", "image_2.png", "below/image_1.png", "below/image_3.png", f"{EVIL}.png"]
    )


def test_names_are_data(server):
    found = start(server)
    assert [one["name"] for one in found["classes"]] == ["land", EVIL]
    assert EVIL.encode() not in server.request("GET", "/")[2]  # the page's scripts write it as text


@pytest.mark.parametrize("length", ["52428800", "65537", "-1", "9" * 5000])
def test_a_long_request_is_refused_before_it_is_read(server, length):
    status, _, _ = server.request("POST", "/api/points", b"", **{"Content-Length": length})
    assert status in (400, 413)
    assert start(server)


def test_a_long_request_without_a_length_is_cut_off(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        head = [
            "POST /api/points HTTP/1.1",
            f"Host: 127.0.0.1:{server.port}",
            f"Origin: {server.origin}",
            f"Cookie: mmseg_ext_annotate_{server.port}={server.token}",
            "Transfer-Encoding: chunked",
        ]
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        sent = 0
        try:
            for _ in range(800):  # 50 MB
                connection.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")
                sent += 65536
        except OSError:
            pass
        try:
            answer = connection.recv(100)
        except ConnectionError:
            answer = b""
    assert sent < 50_000_000 or b" 413 " in answer
    assert start(server)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"[" * 100_00,
        b'{"image": 0}',
        b'{"image": 0, "x": 1, "y": 1, "label": 2}',
        b'{"image": 0, "x": -1, "y": 1, "label": 0}',
        b'{"image": 0, "x": 128, "y": 1, "label": 0}',
        b'{"image": 0, "x": 1e99, "y": 1, "label": 0}',
        b'{"image": true, "x": 1, "y": 1, "label": 0}',
        b'{"image": "../secret.txt", "x": 1, "y": 1, "label": 0}',
        b'{"image": 5, "x": 1, "y": 1, "label": 0}',
        b'{"image": 123456789012345678901234567890, "x": 1, "y": 1, "label": 0}',
    ],
)
def test_a_body_that_is_none_is_an_error_of_one_line(server, body):
    before = start(server)["revision"]
    status, _, answer = server.request("POST", "/api/points", body)
    assert status == 400
    assert json.loads(answer)["error"].startswith("Expected")
    assert start(server)["revision"] == before


@pytest.mark.parametrize("path", ["/api/points/99", "/api/points/0", "/api/points/99999999999999999999999"])
def test_a_point_that_is_not_there(server, path):
    assert server.request("POST", path, b'{"is_deleted": true}')[0] in (400, 404)


def test_nothing_is_written_but_beside_the_points(server):
    body = json.dumps({"image": 4, "x": 1, "y": 1, "label": 1, "annotator": "../../x\n\x1b[31m" + "y" * 999}).encode()
    assert server.request("POST", "/api/points", body)[0] == 200
    found = {name for name in os.listdir(server.out.parent) if name.startswith("points")}
    assert found <= {"points.csv", "points.sqlite", "points.sqlite-wal", "points.sqlite-shm"}
    (point,) = [p for p in start(server)["points"] if p["image"] == 4]
    assert len(point["annotator"]) == 60
    assert point["annotator"].isprintable()


def test_a_server_for_other_machines_names_itself_and_refuses_other_hosts(tmp_path):
    served = Served(make_images(tmp_path / "images", 1), tmp_path / "points.csv", options=("--host", "0.0.0.0"))
    try:
        assert served.address.startswith(f"http://{socket.gethostname()}:{served.port}/")
        for host in ("127.0.0.1", socket.gethostname().lower()):  # by its address, and by its name
            assert served.request("GET", "/api/start", Host=f"{host}:{served.port}")[0] == 200
        assert served.request("GET", "/api/start", Host=f"evil.example:{served.port}")[0] == 400
        assert served.request("GET", "/api/start", Cookie=None)[0] == 403
    finally:
        served.stop()
