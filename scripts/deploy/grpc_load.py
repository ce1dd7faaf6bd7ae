"""Calls of ModelInfer at a steady rate over one channel of grpcio, until standard input ends. Prints a line "ready" after the
first answer, and at the end a JSON object: `calls`, `failed` (by status code and text), `versions`, `p50` and `p99` in
milliseconds.

    python grpc_load.py ADDRESS RATE KEY MODEL INPUT SHAPE     # such as 127.0.0.1:8080 50 cpl_... digits pixels 1,1,8,8
"""
import asyncio
import collections
import json
import math
import sys
import time

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc


def request(model, name, shape):
    contents = service_pb2.InferTensorContents(fp32_contents=[0.5] * math.prod(shape))
    tensor = service_pb2.ModelInferRequest.InferInputTensor(name=name, datatype="FP32", shape=shape, contents=contents)
    return service_pb2.ModelInferRequest(model_name=model, inputs=[tensor])


async def main(address, rate, key, model, name, shape):
    body, calls, versions, failed, times = request(model, name, shape), [], collections.Counter(), collections.Counter(), []
    async with grpc.aio.insecure_channel(address) as channel:
        infer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer

        async def call():
            began = time.perf_counter()
            try:
                # A call on a connection that is closing goes to the next one; a failure is not tried again.
                answer = await infer(body, timeout=40, metadata=[("authorization", f"Bearer {key}")])
                versions[answer.model_version] += 1
                times.append(time.perf_counter() - began)
            except grpc.aio.AioRpcError as error:
                failed[f"{error.code().name}: {error.details()[:100]}"] += 1

        await call()
        print("ready", flush=True)
        end = asyncio.ensure_future(asyncio.get_running_loop().run_in_executor(None, sys.stdin.read))
        began = time.perf_counter()
        while not end.done():
            await asyncio.sleep(max(0.0, began + len(calls) / rate - time.perf_counter()))
            calls.append(asyncio.ensure_future(call()))
        await asyncio.gather(*calls)
    times.sort()
    share = lambda part: round(1000 * times[min(len(times) - 1, int(part * len(times)))], 1) if times else None
    print(json.dumps({"calls": len(calls) + 1, "failed": failed, "versions": versions, "p50": share(0.5), "p99": share(0.99)}))


if __name__ == "__main__":
    where, rate, key, model, name, shape = sys.argv[1:]
    asyncio.run(main(where, float(rate), key, model, name, [int(size) for size in shape.split(",")]))
