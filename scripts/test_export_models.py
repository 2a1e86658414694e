"""The export, offline: the same architectures with random weights become files that `bolid models add` accepts.

    BOLID=target/release/bolid python scripts/test_export_models.py
"""

import json
import os
import subprocess
import sys
import tempfile
import tomllib
import unittest
from pathlib import Path
from unittest import mock

import export_models
import numpy as np
import onnxruntime
import torch

BOLID = Path(os.environ.get("BOLID", "target/release/bolid")).resolve()


def write_random_weights(folder: Path) -> None:
    """Files as they are published, of the same architectures."""
    from ultralytics.nn.tasks import DetectionModel, PoseModel

    for name, model in {
        "yolo11n-pose.pt": PoseModel("yolo11n-pose.yaml", nc=1, verbose=False),
        "yolov11n-face.pt": DetectionModel("yolo11n.yaml", nc=1, verbose=False),
    }.items():
        torch.save({"model": model.half(), "train_args": {}}, folder / name)
    torch.save(export_models.WatermarkNet().state_dict(), folder / "convnext-tiny_watermarks_detector.pth")


def export(out: Path, *arguments: str) -> subprocess.CompletedProcess:
    script = Path(export_models.__file__)
    return subprocess.run(
        [sys.executable, script, "--out", out, "--bolid", BOLID, *arguments], capture_output=True, text=True
    )


class Export(unittest.TestCase):
    def test_random_weights_become_models_that_are_accepted(self):
        with tempfile.TemporaryDirectory() as folder:
            weights, out = Path(folder) / "weights", Path(folder) / "out"
            weights.mkdir()
            write_random_weights(weights)
            done = export(out, "--weights", str(weights))
            self.assertEqual(done.returncode, 0, done.stderr)
            declared = {model["role"]: model for model in tomllib.loads((out / "models.toml").read_text())["model"]}
            self.assertEqual(set(declared), {"people", "faces", "watermark"})
            for role, outputs in {"people": 56, "faces": 5}.items():
                self.assertEqual(declared[role]["input_multiple"], 32, "the axes are open")
                self.assertIn("AGPL", declared[role]["licence"])
                session = onnxruntime.InferenceSession(out / declared[role]["file"])
                for batch, height, width in [(1, 640, 640), (2, 640, 480), (3, 352, 640)]:
                    images = np.zeros((batch, 3, height, width), np.float32)
                    found = session.run(None, {session.get_inputs()[0].name: images})[0]
                    anchors = sum(height * width // stride**2 for stride in (8, 16, 32))
                    self.assertEqual(found.shape, (batch, outputs, anchors))
            session = onnxruntime.InferenceSession(out / declared["watermark"]["file"])
            logits = session.run(None, {"input": np.zeros((4, 3, 256, 256), np.float32)})[0]
            self.assertEqual(logits.shape, (4, 2))
            command = [BOLID, "--json", "models", "verify", "--models", out / "models.toml"]
            verified = subprocess.run(command, capture_output=True, text=True)
            self.assertEqual(verified.returncode, 0, verified.stderr)
            on_demand = {model["role"]: model["on_demand"] for model in map(json.loads, verified.stdout.splitlines())}
            self.assertEqual(on_demand, {"people": True, "faces": True, "watermark": False})

    def test_weights_that_cannot_be_downloaded_are_named(self):
        nowhere = [
            export_models.Source(s.name, s.role, s.weights, "http://127.0.0.1:9/" + s.weights, s.licence)
            for s in export_models.SOURCES
        ]
        with tempfile.TemporaryDirectory() as folder:
            arguments = ["export_models.py", "--out", folder, "--bolid", str(BOLID)]
            with mock.patch.object(export_models, "SOURCES", nowhere), mock.patch.object(sys, "argv", arguments):
                with mock.patch("sys.stderr") as stderr:
                    self.assertEqual(export_models.main(), 3)
            said = "".join(call.args[0] for call in stderr.write.call_args_list)
            for source in nowhere:
                self.assertIn(source.url, said)
            self.assertFalse((Path(folder) / "models.toml").exists())


if __name__ == "__main__":
    unittest.main()
