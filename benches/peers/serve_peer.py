#!/usr/bin/env python3
"""Serves a model with another server over onnxruntime: serve_peer.py fastapi|litserve|mlserver|triton MODEL FOLDER PORT

MODEL is `mlp` or `cnn` (FOLDER/MODEL.onnx, images of 8x8) or `minilm` (FOLDER/minilm.onnx and FOLDER/tokenizer.json,
texts). scripts/bench-serve defines the requests.
"""
import os
import pathlib
import sys

import numpy as np
import onnxruntime as ort

peer, model, folder, port = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), int(sys.argv[4])


class Model:
    """Predicts a batch: images `[n, 1, 8, 8]` to probabilities, or texts to embeddings."""

    def __init__(self):
        self.session = ort.InferenceSession(str(folder / f"{model}.onnx"), providers=["CPUExecutionProvider"])
        if model == "minilm":
            from tokenizers import Tokenizer
            self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            self.tokenizer.enable_padding()
            self.tokenizer.enable_truncation(256)

    def __call__(self, batch):
        if model == "minilm":
            tokens = self.tokenizer.encode_batch(list(batch))
            ids = np.array([t.ids for t in tokens], dtype=np.int64)
            mask = np.array([t.attention_mask for t in tokens], dtype=np.int64)
            return self.session.run(None, {"ids": ids, "mask": mask})[0]
        return self.session.run(None, {"pixels": np.asarray(batch, dtype=np.float32).reshape(-1, 1, 8, 8)})[0]


def fastapi():
    import uvicorn
    from fastapi import FastAPI
    from pydantic import BaseModel

    class Body(BaseModel):
        rows: list[str] if model == "minilm" else list[list[float]]

    app, run = FastAPI(), Model()

    @app.post("/predict")
    def predict(body: Body):
        return {"answers": run(body.rows).tolist()}

    @app.get("/ready")
    def ready():
        return "ready"

    uvicorn.run(app, port=port, log_level="critical", access_log=False)


if peer == "litserve":  # its workers import this file, so the class must be at module level
    import litserve as ls

    class Api(ls.LitAPI):
        def setup(self, device):
            self.model = Model()

        def decode_request(self, request):
            return request["rows"][0]

        def predict(self, batch):
            return self.model(batch)

        def encode_response(self, output):
            return {"answers": [np.asarray(output).tolist()]}


def litserve():
    server = ls.LitServer(Api(max_batch_size=64, batch_timeout=0.0), accelerator="cpu")
    server.run(port=port, log_level="critical", generate_client_file=False, access_log=False)


if peer == "mlserver":  # it imports models by name from this file
    from mlserver import MLModel, MLServer, ModelSettings, Settings
    from mlserver.codecs import NumpyCodec, StringCodec
    from mlserver.types import InferenceResponse

    class Served(MLModel):
        async def load(self):
            self.run = Model()
            return True

        async def predict(self, payload):
            codec = StringCodec if model == "minilm" else NumpyCodec
            out = self.run(codec.decode_input(payload.inputs[0]))
            return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("answers", out)])


def mlserver():
    import asyncio

    async def main():
        settings = Settings(http_port=port, grpc_port=port + 1000, metrics_port=port + 2000, parallel_workers=0, debug=False)
        served = ModelSettings(name=model, implementation="serve_peer.Served", max_batch_size=64, max_batch_time=0.001)
        await MLServer(settings).start([served])

    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    asyncio.run(main())


def triton():
    from pytriton.decorators import batch
    from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
    from pytriton.triton import Triton, TritonConfig

    run = Model()

    @batch
    def infer(x):
        if model == "minilm":
            x = [t[0].decode() for t in x]
        return {"answers": run(x)}

    shape, kind = ((1,), bytes) if model == "minilm" else ((1, 8, 8), np.float32)
    width = 384 if model == "minilm" else 10
    config = TritonConfig(http_port=port, grpc_port=port + 1000, metrics_port=port + 2000, log_verbose=0)
    with Triton(config=config) as server:
        server.bind(model, infer, inputs=[Tensor(name="x", dtype=kind, shape=shape)], outputs=[Tensor(name="answers", dtype=np.float32, shape=(width,))],
                    config=ModelConfig(max_batch_size=64, batcher=DynamicBatcher(max_queue_delay_microseconds=0)), strict=False)
        server.serve()


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    {"fastapi": fastapi, "litserve": litserve, "mlserver": mlserver, "triton": triton}[peer]()
