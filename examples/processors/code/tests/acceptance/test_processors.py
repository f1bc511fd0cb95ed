"""The contract of each processor, checked on the pinned image: budget, artifacts, receipt."""

import hashlib
import json
import unittest

from . import settings
from .docker import run_processor
from .services import S3, Redis, sql

BUCKET = "artifacts"


class Contract:
    """The checks; a class per processor is made of it below."""

    contract: dict

    @classmethod
    def setUpClass(cls):
        cls.ref = cls.contract["ref"]
        cls.budget = cls.contract["budget"]
        cls.image = settings.images()[cls.ref]
        cls.request = {"ref": cls.ref, "mode": "mock", "inputs": cls.contract["inputs"]}
        cls.run_once = run_processor(cls.image, cls.request, cls.budget)

    def test_it_succeeds_within_its_budget(self):
        run = self.run_once
        self.assertEqual(run.exit_code, 0, run.stderr)
        self.assertEqual(run.envelope["status"], "success", run.envelope)
        self.assertLessEqual(run.wall_seconds, self.budget["wall_seconds"])
        seconds = run.envelope["usage"]["wall_ms"] / 1000
        self.assertLessEqual(seconds, self.budget["processor_seconds"])
        written = sum(len(data) for data in run.files.values())
        self.assertLessEqual(written, self.budget["output_bytes"])
        self.assertEqual(written, run.envelope["usage"]["output_bytes"])

    def test_it_writes_the_declared_artifacts_and_they_survive_the_store(self):
        run = self.run_once
        declared = {file["path"]: file for file in run.envelope["outputs"]}
        kinds = {path: file["media_type"] for path, file in declared.items()}
        self.assertEqual(kinds, self.contract["outputs"])
        self.assertEqual(sorted(run.files), sorted(declared))
        store = S3("pipeline", "pipeline-secret")
        store.make_bucket(BUCKET)
        for path, data in run.files.items():
            digest = hashlib.sha256(data).hexdigest()
            self.assertEqual(digest, declared[path]["sha256"], path)
            key = f"{self.ref.replace('@', '/')}/{digest}/{path}"
            store.put(BUCKET, key, data, kinds[path])
            self.assertEqual(store.get(BUCKET, key), data, path)

    def test_its_receipt_is_bound_to_the_digest_and_is_kept(self):
        receipt = self.run_once.envelope["receipt"]
        inputs = json.dumps(
            self.contract["inputs"], sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )
        expected = {
            "schema": 1,
            "ref": self.ref,
            "image": self.image,
            "image_digest": self.image.partition("@")[2],
            "mode": "mock",
            "inputs_sha256": hashlib.sha256(inputs.encode()).hexdigest(),
            "status": "success",
        }
        self.assertEqual({name: receipt.get(name) for name in expected}, expected)
        sql(
            "BEGIN; SELECT pg_advisory_xact_lock(1);"
            "CREATE TABLE IF NOT EXISTS receipts (digest text, ref text, receipt jsonb,"
            " PRIMARY KEY (digest, ref));"
            "INSERT INTO receipts VALUES (:'digest', :'ref', :'receipt') ON CONFLICT DO NOTHING;"
            "COMMIT;",
            digest=receipt["image_digest"],
            ref=self.ref,
            receipt=receipt,
        )
        kept = sql(
            "SELECT receipt FROM receipts WHERE digest = :'digest' AND ref = :'ref'",
            digest=receipt["image_digest"],
            ref=self.ref,
        )
        self.assertEqual(json.loads(kept), receipt)
        with Redis() as redis:
            before = int(redis.call("GET", f"accepted:{self.ref}") or 0)
            self.assertEqual(redis.call("INCR", f"accepted:{self.ref}"), before + 1)

    def test_mock_mode_is_deterministic(self):
        again = run_processor(self.image, self.request, self.budget)
        self.assertEqual(again.files, self.run_once.files)
        self.assertEqual(again.envelope["receipt"], self.run_once.envelope["receipt"])

    def test_real_mode_without_its_secret_fails_cleanly(self):
        run = run_processor(self.image, {**self.request, "mode": "real"}, self.budget)
        self.assertEqual(run.exit_code, 1)
        self.assertEqual(run.envelope["error"]["code"], "ERR_MISSING_SECRET")
        for name in self.contract["secrets"]:
            self.assertIn(name, run.envelope["error"]["message"])
        self.assertEqual(run.files, {})


def load_tests(loader, _tests, _pattern):
    suite = unittest.TestSuite()
    for contract in settings.contracts():
        name = "".join(part.capitalize() for part in contract["ref"].split("@")[0].split("/"))
        case = type(name, (Contract, unittest.TestCase), {"contract": contract})
        suite.addTests(loader.loadTestsFromTestCase(case))
    return suite
