"""The rival: a bare FastAPI handler that publishes to JetStream, so many times at once, and says 202.

`python -m benchmarks.control_lab.bare NATS PUBLISHES`
"""

import asyncio
import socket
import sys

import fastapi
import nats
import uvicorn
import uvloop

STREAM = "BARE"


async def serve(nats_url: str, publishes: int) -> None:
    """Print the URL, then serve until SIGTERM."""
    client = await nats.connect(nats_url)
    bus = client.jetstream()
    await bus.add_stream(name=STREAM, subjects=["bare.>"])
    app = fastapi.FastAPI()

    @app.post("/webhooks/bare", status_code=202)
    async def webhook(request: fastapi.Request) -> fastapi.Response:
        body = await request.body()
        if publishes == 1:
            await bus.publish("bare.webhook", body)
        else:
            await asyncio.gather(*(bus.publish("bare.webhook", body) for _ in range(publishes)))
        return fastapi.Response(b'{"decision":"stored"}', 202, media_type="application/json")

    opened = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(f"http://127.0.0.1:{opened.getsockname()[1]}", flush=True)
    config = uvicorn.Config(
        app, http="httptools", ws="none", lifespan="off", access_log=False, log_level="warning"
    )
    await uvicorn.Server(config).serve([opened])
    await client.close()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], int(sys.argv[2])))
