"""Just enough of three protocols to keep artifacts, receipts and counters. No dependencies."""

import datetime
import hashlib
import hmac
import http.client
import json
import socket
import subprocess
import urllib.parse

from . import docker, settings


class Redis:
    """Commands over a socket (RESP2)."""

    def __init__(self):
        self.socket = socket.create_connection(settings.address("redis"), timeout=10)
        self.lines = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lines.close()
        self.socket.close()

    def call(self, *words):
        encoded = [word.encode() for word in words]
        request = b"*%d\r\n" % len(encoded)
        request += b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)
        self.socket.sendall(request)
        return self.reply()

    def reply(self):
        line = self.lines.readline()
        kind, rest = line[:1], line[1:].strip()
        if kind == b"+":
            return rest.decode()
        if kind == b":":
            return int(rest)
        if kind == b"$":
            length = int(rest)
            return None if length < 0 else self.lines.read(length + 2)[:-2].decode()
        raise AssertionError(f"redis answered {line!r}")


class S3:
    """Put and get with Signature Version 4, path style."""

    def __init__(self, access_key, secret_key, region="us-east-1"):
        self.access_key, self.secret_key, self.region = access_key, secret_key, region
        host, port = settings.address("minio")
        self.host = f"{host}:{port}"

    def request(self, method, path, body=b"", content_type=None):
        path = urllib.parse.quote(path)
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        payload = hashlib.sha256(body).hexdigest()
        signed = {"host": self.host, "x-amz-content-sha256": payload, "x-amz-date": now}
        names = ";".join(signed)
        lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
        canonical = f"{method}\n{path}\n\n{lines}\n{names}\n{payload}"
        scope = f"{now[:8]}/{self.region}/s3/aws4_request"
        hashed = hashlib.sha256(canonical.encode()).hexdigest()
        key = f"AWS4{self.secret_key}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashed}"
        signature = hmac.new(key, text.encode(), "sha256").hexdigest()
        headers = dict(signed)
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature={signature}"
        )
        if content_type:
            headers["content-type"] = content_type
        connection = http.client.HTTPConnection(self.host, timeout=20)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def make_bucket(self, bucket):
        status, body = self.request("PUT", f"/{bucket}")
        # 409: it is there already.
        assert status in (200, 409), f"cannot make the bucket {bucket}: {status} {body!r}"

    def put(self, bucket, key, data, content_type):
        status, body = self.request("PUT", f"/{bucket}/{key}", data, content_type)
        assert status == 200, f"cannot store {key}: {status} {body!r}"

    def get(self, bucket, key):
        status, body = self.request("GET", f"/{bucket}/{key}")
        assert status == 200, f"cannot read {key} back: {status} {body!r}"
        return body


def sql(query, **values):
    """Runs a query with psql in the service's container; `:'name'` stands for a value."""
    command = ["docker", "exec", "--interactive", docker.container("postgres"), "psql"]
    command += ["-U", "pipeline", "-d", "receipts", "-qAt", "-v", "ON_ERROR_STOP=1"]
    for name, value in values.items():
        text = value if isinstance(value, str) else json.dumps(value)
        command += ["-v", f"{name}={text}"]
    done = subprocess.run(
        command, input=query, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, f"psql: {done.stderr.strip()}"
    return done.stdout.strip()
