"""What ML people put behind postern: an ASGI service under uvicorn. It holds no body in memory."""
import asyncio
import hashlib
import json
from urllib.parse import parse_qs

PIECE = bytes(range(256)) * 4096  # 1 MiB
seen = {"cancelled": 0, "closes": []}


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    if scope["type"] == "websocket":
        return await websocket(scope, receive, send)
    query = {k: v[0] for k, v in parse_qs(scope["query_string"].decode()).items()}
    handler = {"/upload": upload, "/download": download, "/forever": forever}.get(scope["path"], about)
    return await handler(scope, query, receive, send)


async def lifespan(receive, send):
    while (event := (await receive())["type"]) != "lifespan.shutdown":
        await send({"type": event + ".complete"})
    await send({"type": "lifespan.shutdown.complete"})


async def answer(send, value):
    body = json.dumps(value).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [
        (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def about(scope, query, receive, send):
    headers = {k.decode(): v.decode() for k, v in scope["headers"]}
    await answer(send, {"path": scope["path"], "method": scope["method"], "headers": headers, "seen": seen})


async def upload(scope, query, receive, send):
    digest, count, more = hashlib.sha256(), 0, True
    await asyncio.sleep(float(query.get("pause", 0)))  # the sender has to be held back meanwhile
    while more:
        message = await receive()
        body, more = message.get("body", b""), message.get("more_body", False)
        digest.update(body)
        count += len(body)
    await answer(send, {"bytes": count, "sha256": digest.hexdigest()})


async def download(scope, query, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(int(query["mib"])):
        await send({"type": "http.response.body", "body": PIECE, "more_body": True})
    await send({"type": "http.response.body"})


async def forever(scope, query, receive, send):
    """Says one line, then waits until the client is said to be gone."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"begun\n", "more_body": True})
    if (await receive())["type"] == "http.disconnect":
        seen["cancelled"] += 1


async def websocket(scope, receive, send):
    await receive()
    if scope["path"] != "/echo":
        return await send({"type": "websocket.close", "code": 1008})
    offered = scope["subprotocols"]
    await send({"type": "websocket.accept", "subprotocol": "chat.v2" if "chat.v2" in offered else None})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return seen["closes"].append(message["code"])
        text = message.get("text")
        if text == "who":
            names = dict((k.decode(), v.decode()) for k, v in scope["headers"])
            await send({"type": "websocket.send", "text": json.dumps(names)})
        elif text is not None and text.startswith("close "):
            return await send({"type": "websocket.close", "code": int(text[6:])})
        elif text is not None:
            await send({"type": "websocket.send", "text": text})
        else:
            await send({"type": "websocket.send", "bytes": message["bytes"]})
