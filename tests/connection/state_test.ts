// The state machine: the table says what RFC 6455 says, and a connection does
// what the table says.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Connection } from "../../src/connection/connection.ts";
import type { Role } from "../../src/connection/options.ts";
import {
  type ConnectionState,
  isReading,
  type Phase,
  STATES,
  type Step,
  TRANSITIONS,
} from "../../src/connection/state.ts";
import { LocalProtocolError } from "../../src/errors.ts";
import { Opcode } from "../../src/framing/opcode.ts";
import { Information } from "../../src/information.ts";
import { hex } from "../helpers/bytes.ts";
import { drain, ROLES, wire } from "../helpers/events.ts";

const PHASES: readonly Phase[] = [
  "open",
  "close-sent",
  "close-received",
  "failed",
  "closed",
];

const STEPS: readonly Step[] = [
  "send-data",
  "send-control",
  "send-close",
  "receive-data",
  "receive-control",
  "receive-close",
  "receive-failure",
  "receive-end",
];

/** One row for each step, one column for each phase, in the orders above. */
const EXPECTED: Readonly<Record<Step, readonly (Phase | null)[]>> = {
  // Section 5.5.1: no more data after a close frame; nor anything else, as the
  // peer does not read on.
  "send-data": ["open", null, null, null, null],
  "send-control": ["open", null, null, null, null],
  // Sections 5.5.1 and 7.1.2: a close frame begins the closing handshake or
  // ends it; section 7.1.7: who fails the connection may say why.
  "send-close": ["close-sent", null, "closed", "closed", null],
  // Section 5.5.1: who has sent its close frame still reads up to the peer's.
  "receive-data": ["open", "close-sent", null, null, null],
  "receive-control": ["open", "close-sent", null, null, null],
  "receive-close": ["close-received", "closed", null, null, null],
  // Section 7.1.7: after a failure nothing is read; our close frame is out once
  // at most.
  "receive-failure": ["failed", "closed", null, null, null],
  // Section 7.1.5: 1006 where no close frame came; where one is owed, it still is.
  "receive-end": ["closed", "closed", "close-received", "failed", "closed"],
};

Deno.test("TRANSITIONS has a cell for each phase and each step, and no others", () => {
  assertEquals(Object.keys(TRANSITIONS).sort(), [...PHASES].sort());
  for (const phase of PHASES) {
    assertEquals(Object.keys(TRANSITIONS[phase]).sort(), [...STEPS].sort());
  }
});

for (const [column, phase] of PHASES.entries()) {
  for (const step of STEPS) {
    const next = EXPECTED[step][column];
    Deno.test(`TRANSITIONS leads from ${phase} by ${step} to ${next}`, () => {
      assertEquals(TRANSITIONS[phase][step], next);
    });
  }
}

Deno.test("STATES shows the user three of the five phases", () => {
  assertEquals(STATES, {
    "open": "open",
    "close-sent": "closing",
    "close-received": "closing",
    "failed": "closing",
    "closed": "closed",
  });
});

Deno.test("isReading() is true until the peer's close or a failure", () => {
  assertEquals(PHASES.map(isReading), [true, true, false, false, false]);
});

const PING = { opcode: Opcode.PING };
const TEXT = { opcode: Opcode.TEXT };
const CLOSE = { opcode: Opcode.CLOSE, payload: hex("03 e8") };
/** The opcode 3 is not defined. */
const BROKEN = { opcode: 3 };

/** A connection that was brought into a phase, by what there is to do it. */
function inPhase(phase: Phase, role: Role): Connection {
  const ws = new Connection(role);
  switch (phase) {
    case "open":
      break;
    case "close-sent":
      ws.send({ type: "close", statusCode: 1001 });
      break;
    case "close-received":
      ws.recv(wire(role, CLOSE));
      ws.nextEvent();
      break;
    case "failed":
      ws.recv(wire(role, BROKEN));
      ws.nextEvent();
      break;
    case "closed":
      ws.send({ type: "close", statusCode: 1001 });
      ws.recv(wire(role, CLOSE));
      ws.nextEvent();
  }
  return ws;
}

/** Why a connection in each phase is not open: the end of the message. */
const REASONS: Readonly<Record<Phase, string>> = {
  "open": "",
  "close-sent": "is closing: close frame sent with code 1001",
  "close-received": "is closing: close frame received with code 1000",
  "failed":
    "is closing: Received a frame with the opcode 3, which is not defined",
  "closed": "is closed: close frame sent with code 1001",
};

/**
 * Which phase a connection is in, told by what its user sees alone: its state,
 * whether it still reads, and whether its close frame is owed.
 */
function phaseOf(ws: Connection): Phase {
  const state: ConnectionState = ws.state;
  const reads = ws.summary === undefined;
  if (state === "closed") return "closed";
  if (state === "open") {
    assert(reads);
    return "open";
  }
  if (reads) return "close-sent";
  const failed = ws.summary?.failure !== null;
  assertEquals(ws.nextEvent(), Information.CONNECTION_CLOSED);
  return failed ? "failed" : "close-received";
}

/** What is left over of a step: bytes that were sent, events that came. */
type Outcome = Uint8Array | unknown[];

function take(step: Step, ws: Connection, role: Role): Outcome {
  switch (step) {
    case "send-data":
      return ws.send({ type: "text" });
    case "send-control":
      return ws.send({ type: "pong" });
    case "send-close":
      return ws.send({ type: "close", statusCode: 1002 });
    case "receive-data":
      ws.recv(wire(role, TEXT));
      return drain(ws);
    case "receive-control":
      ws.recv(wire(role, PING));
      return drain(ws);
    case "receive-close":
      ws.recv(wire(role, CLOSE));
      return drain(ws);
    case "receive-failure":
      ws.recv(wire(role, BROKEN));
      return drain(ws);
    case "receive-end":
      ws.recv(null);
      return drain(ws);
  }
}

const TYPES: Readonly<Record<Step, string>> = {
  "send-data": "text",
  "send-control": "pong",
  "send-close": "close",
  "receive-data": "text",
  "receive-control": "ping",
  "receive-close": "close",
  "receive-failure": "fail",
  "receive-end": "fail",
};

for (const role of ROLES) {
  for (const phase of PHASES) {
    Deno.test(`a ${role} that was brought to ${phase} is there`, () => {
      const ws = inPhase(phase, role);
      assertEquals(ws.state, STATES[phase]);
      assertEquals(phaseOf(ws), phase);
    });

    for (const step of STEPS) {
      const next = TRANSITIONS[phase][step];
      const does = next === null ? "is not led anywhere" : `goes to ${next}`;
      Deno.test(`a ${role} that is ${phase} ${does} by ${step}`, () => {
        const ws = inPhase(phase, role);
        const before = { state: ws.state, summary: ws.summary };
        if (next !== null) {
          const outcome = take(step, ws, role);
          assertEquals(ws.state, STATES[next]);
          assertEquals(phaseOf(ws), next);
          if (outcome instanceof Uint8Array) {
            assert(outcome.length >= 2);
          } else {
            // At the end of the stream there is an event only if it comes too soon.
            const types = step === "receive-end" && !isReading(phase)
              ? []
              : [TYPES[step]];
            assertEquals(outcome.map((seen) => Object(seen).type), types);
          }
        } else if (step.startsWith("send")) {
          const error = assertThrows(
            () => take(step, ws, role),
            LocalProtocolError,
          );
          assertEquals(
            error.message,
            `Cannot send "${TYPES[step]}" as the connection ${REASONS[phase]}`,
          );
        } else {
          assertEquals(take(step, ws, role), []);
        }
        if (next === null) {
          assertEquals({ state: ws.state, summary: ws.summary }, before);
          assertEquals(phaseOf(ws), phase);
        }
      });
    }
  }

  Deno.test(`a ${role} whose peer closed without a code says so when it cannot send`, () => {
    const ws = new Connection(role);
    ws.recv(wire(role, { opcode: Opcode.CLOSE }));
    ws.nextEvent();
    assertThrows(
      () => ws.send({ type: "text" }),
      LocalProtocolError,
      'Cannot send "text" as the connection is closing: close frame received without a code',
    );
  });

  Deno.test(`a ${role} that closed without a code says so when it cannot send`, () => {
    const ws = new Connection(role);
    ws.send({ type: "close" });
    assertThrows(
      () => ws.send({ type: "text" }),
      LocalProtocolError,
      'Cannot send "text" as the connection is closing: close frame sent without a code',
    );
  });

  Deno.test(`the state of a ${role} changes when an event is given, not when its bytes arrive`, () => {
    for (const frame of [CLOSE, BROKEN]) {
      const ws = new Connection(role);
      ws.recv(wire(role, TEXT, frame));
      assertEquals(ws.state, "open");
      ws.nextEvent();
      assertEquals([ws.state, ws.summary], ["open", undefined]);
      ws.send({ type: "text", message: "still open" });
      ws.nextEvent();
      assertEquals(ws.state, "closing");
    }
    const ws = new Connection(role);
    ws.recv(null);
    assertEquals([ws.state, ws.summary], ["open", undefined]);
    ws.nextEvent();
    assertEquals(ws.state, "closed");
  });
}
