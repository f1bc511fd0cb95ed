"""Processors without Docker: the parts that the acceptance suite cannot see."""

import importlib.util
import io
import json
import os
import sys
import tempfile
import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from unittest import mock

CODE = Path(__file__).resolve().parents[2]
PROCESSORS = CODE / "apps/core/processors"
sys.path[:0] = [str(CODE / "libs"), str(PROCESSORS / "image_palette")]

import png
from processor_runtime import Files
from processor_runtime.envelope import serve


def load(package):
    spec = importlib.util.spec_from_file_location(package, PROCESSORS / package / "main.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


summarize, palette = load("text_summarize"), load("image_palette")


def call(module, request, secrets=(), **environ):
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    with tempfile.TemporaryDirectory() as folder:
        environ["PROCESSOR_OUTPUT_DIR"] = folder
        stream = io.BytesIO(body)
        return serve(module.REF, module.handle, module.SAMPLE, secrets, stream, environ)


class Requests(unittest.TestCase):
    def test_nothing_at_all_is_a_smoke_of_the_sample(self):
        for module in (summarize, palette):
            envelope = call(module, b"")
            self.assertEqual((envelope["status"], envelope["mode"]), ("success", "mock"))

    def test_bad_requests_have_codes(self):
        for request, code in (
            (b"{", "ERR_INPUT"),
            (b"[]", "ERR_INPUT"),
            ({"mode": "fast"}, "ERR_INPUT"),
            ({"ref": "llm/litellm@1"}, "ERR_WRONG_REF"),
            ({"inputs": {"text": " "}}, "ERR_INPUT"),
            ({"inputs": {"text": "a", "sentences": True}}, "ERR_INPUT"),
        ):
            self.assertEqual(call(summarize, request)["error"]["code"], code, request)

    def test_an_empty_secret_is_a_missing_one(self):
        envelope = call(summarize, {"mode": "real"}, ["OPENAI_API_KEY"], OPENAI_API_KEY="")
        self.assertEqual(envelope["error"]["code"], "ERR_MISSING_SECRET")

    def test_the_digest_comes_from_the_image_reference(self):
        envelope = call(summarize, {}, IMAGE_REF="r.example/a@sha256:" + "0" * 64)
        self.assertEqual(envelope["image_digest"], "sha256:" + "0" * 64)


class Output(unittest.TestCase):
    def test_without_a_folder_for_them_no_outputs_stay_behind(self):
        with tempfile.TemporaryDirectory() as place, mock.patch.object(tempfile, "tempdir", place):
            for body in (b"", b"{"):
                envelope = serve(
                    summarize.REF, summarize.handle, summarize.SAMPLE, (), io.BytesIO(body), {}
                )
                self.assertEqual(len(envelope["outputs"]), 2 if body == b"" else 0)
                self.assertEqual(os.listdir(place), [])

    def test_paths_stay_in_the_folder(self):
        with tempfile.TemporaryDirectory() as folder:
            os.symlink("/tmp", Path(folder) / "link")
            for path in ("/etc/x", "../x", "a/../../x", ""):
                with self.assertRaises(ValueError):
                    Files(folder).write(path, b"", "text/plain")
            with self.assertRaises(OSError):
                Files(folder).write("link", b"", "text/plain")


class Png(unittest.TestCase):
    def test_every_filter_is_undone(self):
        before, line = bytearray([10, 20, 30, 40, 50, 60]), [200, 100, 50, 25, 12, 6]
        for kind in range(5):
            filtered = bytearray()
            for i, value in enumerate(line):
                left = line[i - 3] if i >= 3 else 0
                corner = before[i - 3] if i >= 3 else 0
                above = before[i]
                paeth = min(
                    (abs(above - corner), 0, left),
                    (abs(left - corner), 1, above),
                    (abs(left + above - 2 * corner), 2, corner),
                )[2]
                guess = [0, left, above, (left + above) // 2, paeth][kind]
                filtered.append((value - guess) & 255)
            self.assertEqual(list(png.unfilter(kind, filtered, before, 3)), line, kind)

    def test_garbage_is_refused(self):
        good = png.encode(2, 1, [b"\1\2\3\4\5\6"])
        self.assertEqual(png.decode(good), (2, 1, [(1, 2, 3), (4, 5, 6)]))
        for bad in (b"", good[:20], good[:45], good.replace(b"IDAT", b"IDOT")):
            with self.assertRaises(png.PngError):
                png.decode(bad)


class RealMode(unittest.TestCase):
    """Against a provider on this machine."""

    def setUp(self):
        self.answers, self.seen = [], []
        outer = self

        class Provider(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.seen.append((self.path, self.headers["Authorization"], json.loads(body)))
                self.answer(*outer.answers.pop(0))

            def do_GET(self):
                self.answer(*outer.answers.pop(0))

            def answer(self, status, body):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Provider)
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def real(self, module, secret, base):
        with mock.patch.dict(os.environ, {base: self.base}):
            return call(module, {"mode": "real"}, [secret], **{secret: "s3cret"})

    def test_a_model_writes_the_summary(self):
        body = {"choices": [{"message": {"content": " Short. "}}]}
        self.answers = [(200, json.dumps(body).encode())]
        envelope = self.real(summarize, "OPENAI_API_KEY", "LITELLM_API_BASE")
        self.assertEqual(envelope["result"]["summary"], "Short.")
        self.assertEqual(self.seen[0][:2], ("/chat/completions", "Bearer s3cret"))

    def test_a_model_paints_the_picture(self):
        picture = json.dumps({"output": [self.base + "/picture.png"]}).encode()
        self.answers = [(200, picture), (200, png.encode(1, 1, [b"\xff\0\0"]))]
        envelope = self.real(palette, "REPLICATE_API_TOKEN", "REPLICATE_API_BASE")
        self.assertEqual(envelope["result"]["palette"], [{"colour": "#ff0000", "permille": 1000}])

    def test_a_refusal_is_an_error_without_the_secret(self):
        for answer in ((401, b"no"), (200, b"<html>"), (200, b"{}"), (200, b"[]")):
            self.answers = [answer]
            envelope = self.real(summarize, "OPENAI_API_KEY", "LITELLM_API_BASE")
            self.assertEqual(envelope["error"]["code"], "ERR_PROVIDER", answer)
            self.assertNotIn("s3cret", json.dumps(envelope))


if __name__ == "__main__":
    unittest.main()
