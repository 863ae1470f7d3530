"""Python's `websockets` 10.4, driven by lines of JSON: commands on stdin, events on
stdout. One process has any number of connections. It ends with its stdin.

The first command is what it is to be: {"do": "serve", ...}, which is answered with
the port, or {"do": "connect", ...}, of which there may be several.
"""

import asyncio
import base64
import json
import os
import sys
import traceback
from http import HTTPStatus

from websockets.exceptions import ConnectionClosed, InvalidStatusCode
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Close
from websockets.legacy.client import WebSocketClientProtocol, connect
from websockets.legacy.server import WebSocketServerProtocol, serve

STDIN_LIMIT = 2**26  # a command is a line, and may carry some megabytes

sockets = {}
tasks = set()


def report(event, **fields):
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


def encode(data):
    return base64.b64encode(data).decode()


def run(coroutine):
    """Runs a coroutine beside the others, and keeps it from being collected."""
    task = asyncio.get_running_loop().create_task(coroutine)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


class ReportsPings:
    """`pong` is what answers a ping: there is no other sign of one."""

    number = None
    asked_to_pong = False

    async def pong(self, data=b""):
        await super().pong(data)
        if self.number is not None and not self.asked_to_pong:
            report("ping", id=self.number, binary=encode(data))


class Client(ReportsPings, WebSocketClientProtocol):
    pass


class Server(ReportsPings, WebSocketServerProtocol):
    pass


async def attend(ws, heard):
    """Reports all that happens to a connection until it is closed."""
    ws.number = len(sockets) + 1
    sockets[ws.number] = ws
    report(
        "open",
        id=ws.number,
        target=ws.path,
        headers=list(heard.raw_items()),
        subprotocol=ws.subprotocol,
        extensions=[extension.name for extension in ws.extensions],
    )
    try:
        while True:
            message = await ws.recv()
            if isinstance(message, str):
                report("text", id=ws.number, text=message)
            else:
                report("binary", id=ws.number, binary=encode(message))
    except ConnectionClosed:
        await ws.wait_closed()
        report("close", id=ws.number, code=ws.close_code, reason=ws.close_reason)


def options_of(command, deflate_factory):
    options = {
        "subprotocols": command["subprotocols"] or None,
        "extra_headers": [tuple(pair) for pair in command["headers"]],
        "max_size": command["maxMessageBytes"],
        "ping_interval": None,  # a test has no other clock than its timeout
        **command["own"],
    }
    deflate = options.pop("deflate", None)
    if deflate is not None:
        options["compression"] = None
        options["extensions"] = [deflate_factory(**deflate)]
    return options


async def do_serve(command):
    refuse = command["refuse"]
    greeting = command["greeting"]

    async def process_request(path, headers):
        if refuse is not None:
            fields = list(refuse["headers"].items())
            return HTTPStatus(refuse["status"]), fields, refuse["body"].encode()

    async def handler(ws):
        if greeting is not None:
            await ws.send(greeting)
        await attend(ws, ws.request_headers)

    server = await serve(
        handler,
        "127.0.0.1",
        0,
        create_protocol=Server,
        process_request=process_request,
        **options_of(command, ServerPerMessageDeflateFactory),
    )
    report("listening", port=server.sockets[0].getsockname()[1])


async def do_connect(command):
    try:
        ws = await connect(
            command["url"],
            create_protocol=Client,
            origin=command["origin"],
            **options_of(command, ClientPerMessageDeflateFactory),
        )
    except InvalidStatusCode as error:
        report(
            "refused",
            status=error.status_code,
            headers=list(error.headers.raw_items()),
            message=str(error),
        )
    except Exception as error:
        report("refused", status=None, headers=[], message=repr(error))
    else:
        await attend(ws, ws.response_headers)


def payload_of(value):
    return value if isinstance(value, str) else base64.b64decode(value["binary"])


async def do_fragments(ws, command):
    async def parts():
        for index, part in enumerate(command["parts"]):
            if index > 0 and command["ping"] is not None:
                await do_ping(ws, f"{command['ping']}{index - 1}".encode())
            yield payload_of(part)

    await ws.send(parts())


async def do_ping(ws, payload):
    waiter = await ws.ping(payload)

    async def wait():
        try:
            await waiter
            report("pong", id=ws.number, binary=encode(payload))
        except (ConnectionClosed, asyncio.CancelledError):
            pass

    run(wait())


async def do_pong(ws, payload):
    ws.asked_to_pong = True
    try:
        await ws.pong(payload)
    finally:
        ws.asked_to_pong = False


async def do_close(ws, code, reason):
    if code is None:
        # `close` cannot leave out the code: this is what it calls.
        await ws.write_close_frame(Close(1005, ""), b"")
    else:
        await ws.close(code, reason)


async def obey(command):
    do = command["do"]
    if do == "serve":
        await do_serve(command)
        return
    if do == "connect":
        run(do_connect(command))
        return
    ws = sockets[command["id"]]
    if do == "send":
        await ws.send(payload_of(command["message"]))
    elif do == "fragments":
        await do_fragments(ws, command)
    elif do == "ping":
        await do_ping(ws, payload_of(command["message"]))
    elif do == "pong":
        await do_pong(ws, payload_of(command["message"]))
    elif do == "close":
        run(do_close(ws, command["code"], command["reason"]))
    elif do == "raw":
        ws.transport.write(payload_of(command["message"]))
    elif do == "abort":
        ws.transport.abort()
    else:
        raise ValueError(f"no such command: {do}")


async def main():
    reader = asyncio.StreamReader(limit=STDIN_LIMIT)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        try:
            await obey(json.loads(line))
        except ConnectionClosed:
            pass  # reported by `attend`
        except Exception:
            # A mistake in a test: who waits is told by our end, at once.
            traceback.print_exc()
            os._exit(1)


asyncio.run(main())
