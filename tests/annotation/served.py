"""A server of the page in a process of its own, and small images for it."""

import os
import re
import signal
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
CLASSES = ("land", "water")


def make_images(folder: Path, number: int = 4, size: tuple[int, int] = (96, 128)) -> Path:
    """Write images whose left half is green land, and whose right half is blue water, some in a folder below."""
    rng = np.random.default_rng(0)
    for index in range(number):
        image = rng.integers(0, 40, (*size, 3), dtype=np.uint8)
        image[:, : size[1] // 2, 1] += 150
        image[:, size[1] // 2 :, 2] += 180
        path = folder / ("below" if index % 2 else "") / f"image_{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


class Served:
    """The command tools/annotate.py at work.

    Args:
        images: Folder of the images.
        out: File of points.
        classes: Names of the classes.
        port: 0 for a free one.
        options: More of the command line.
    """

    def __init__(self, images, out, classes=CLASSES, port=0, options=("--backbone", "trees", "--scale", "256", "128")):
        self.out = Path(out)
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "XDG_CACHE_HOME": str(self.out.parent / "cache"),
        }
        command = [sys.executable, str(ROOT / "tools" / "annotate.py"), str(images), "--out", str(out), "--no-browser"]
        command += ["--port", str(port), *options, "--classes", *classes]
        self.log = open(self.out.parent / "log.txt", "w+")  # noqa: SIM115 closed by stop
        self.process = subprocess.Popen(command, env=environment, stdout=self.log, stderr=subprocess.STDOUT)
        self.address = self._wait_for_address()
        self.token = self.address.partition("token=")[2]
        self.port = int(re.search(r":(\d+)/", self.address)[1])
        self.origin = f"http://127.0.0.1:{self.port}"

    def _wait_for_address(self):
        for _ in range(600):
            found = re.search(r"http://\S+", self.text())
            if found:
                return found[0]
            assert self.process.poll() is None, self.text()
            time.sleep(0.05)
        raise AssertionError(self.text())

    def text(self):
        """Return what the command has printed."""
        return Path(self.log.name).read_text()

    def request(self, method, path, body=None, **headers):
        """Send a request as the page does, but for the headers that are given; return status, headers and body."""
        sent = {
            "Host": f"127.0.0.1:{self.port}",
            "Cookie": f"mmseg_ext_annotate_{self.port}={self.token}",
            **({"Origin": self.origin} if method == "POST" else {}),
            **headers,
        }
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.putrequest(method, path, skip_host=True)
        for name, value in sent.items():
            if value is not None:
                connection.putheader(name, value)
        if body is not None and "Content-Length" not in sent:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, content

    def kill(self):
        """End the process as a power cut would."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """End it as Ctrl-C does; return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        status = self.process.wait(timeout=30)
        self.log.close()
        return status
