"""Decodes streams with `wsproto` (python3-wsproto), one for each line of stdin.

A line is {"role": "client" or "server", "bytes": base64}; the answer is a line
{"events": [[type, payload], ...], "end": ...} with the payload of text as text and
all others as hexadecimal digits.
"""

import base64
import json
import sys

from wsproto.frame_protocol import FrameProtocol, Opcode, ParseFailed

KINDS = {Opcode.PING: "ping", Opcode.PONG: "pong"}


def decode(role, data):
    protocol = FrameProtocol(client=role == "client", extensions=[])
    events = []
    parts = []
    end = None
    try:
        protocol.receive_bytes(data)
        for frame in protocol.received_frames():
            if frame.opcode is Opcode.CLOSE:
                code, reason = frame.payload
                end = ["close", int(code), reason or ""]
                break
            if frame.opcode in KINDS:
                events.append([KINDS[frame.opcode], bytes(frame.payload).hex()])
                continue
            parts.append(frame.payload)
            if frame.frame_finished and frame.message_finished:
                if isinstance(parts[0], str):
                    events.append(["text", "".join(parts)])
                else:
                    events.append(["binary", b"".join(parts).hex()])
                parts = []
    except ParseFailed as error:
        end = ["fail", int(error.code)]
    except Exception as error:  # What is no ParseFailed is a mistake of its own.
        end = ["throws", type(error).__name__]
    return {"events": events, "end": end}


for line in sys.stdin:
    question = json.loads(line)
    answer = decode(question["role"], base64.b64decode(question["bytes"]))
    print(json.dumps(answer), flush=True)
