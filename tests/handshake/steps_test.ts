// What becomes of a handshake that is aborted, or whose stream fails, at each
// step that it takes.

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { HandshakeError } from "../../src/errors.ts";
import { acceptUpgrade, requestUpgrade } from "../../src/handshake/upgrade.ts";
import {
  ADDRESS,
  bytes,
  REQUEST,
  sampleNonce as random,
  SWITCHING,
} from "./helpers.ts";
import {
  abortEverywhere,
  failEverywhere,
  PLAY,
  play,
  type Scenario,
  type Stage,
} from "./stage.ts";
import { connWire, streamWire } from "./wires.ts";

/** Sends a text in two pieces. */
function sendHalves({ wire }: Stage, text: string): void {
  wire.push(bytes(text.slice(0, 40)));
  wire.push(bytes(text.slice(40)));
}

/** Where nothing moves any more, only the signal ends it. */
const LATE = 10_000;

function request(answer: string) {
  return {
    peer: (stage: Stage) => () => sendHalves(stage, answer),
    play: ({ wire, signal }: Stage) =>
      requestUpgrade(wire.stream, ADDRESS, { random, signal }),
  };
}

function accept(request: string) {
  return {
    peer: (stage: Stage) => {
      sendHalves(stage, request);
      return () => {};
    },
    play: ({ wire, signal, steps }: Stage) =>
      acceptUpgrade(wire.stream, {
        signal,
        onRequest: async () =>
          await steps.take("onRequest", async () => {}, true),
      }),
  };
}

const HINTS = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";

/** Each handshake, and what is done with the stream for it. */
const HANDSHAKES: Record<string, Omit<Scenario, "wire"> & { steps: string[] }> =
  {
    "requestUpgrade() that is accepted": {
      ...request(HINTS + SWITCHING),
      steps: ["write", "read", "read"],
    },
    "requestUpgrade() that is refused": {
      ...request("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno"),
      steps: ["write", "read", "read"],
    },
    "acceptUpgrade() that accepts": {
      ...accept(REQUEST),
      steps: ["read", "read", "onRequest", "write"],
    },
    "acceptUpgrade() that refuses": {
      ...accept(REQUEST.replace("Version: 13", "Version: 8")),
      steps: ["read", "read", "onRequest", "write", "close", "cancel"],
    },
  };

/** What it came to; it has come to its end, and the stream is free again. */
function outcomeOf(stage: Stage) {
  const { readable, writable } = stage.wire.stream;
  assertEquals([readable.locked, writable.locked], [false, false]);
  const fate = stage.fate(PLAY);
  assert(fate.state !== "pending");
  return fate;
}

for (const [name, { steps: all, ...handshake }] of Object.entries(HANDSHAKES)) {
  for (const wire of [streamWire, connWire]) {
    // To close a connection closes both ways, and waits for nothing.
    const steps = all.filter((step) => wire !== connWire || step !== "cancel");
    const how = `${name} over a ${wire === connWire ? "Deno.Conn" : "stream"}`;
    const scenario: Scenario = { ...handshake, wire };
    const accepts = name.startsWith("acceptUpgrade");

    Deno.test(`${how}: the whole of it`, async () => {
      const stage = await play(scenario);
      assertEquals(outcomeOf(stage).state, "fulfilled");
      assertEquals(stage.steps.names, steps);
      assertEquals(stage.wire.isClosed(), steps.includes("close"));
    });

    Deno.test(`${how}: an abort at any time closes the stream and rejects, or comes too late`, async () => {
      let rejected = 0;
      await abortEverywhere(scenario, (stage) => {
        const outcome = outcomeOf(stage);
        if (outcome.state === "rejected") {
          rejected++;
          assertEquals(outcome.reason, stage.reason);
          assert(stage.wire.isClosed());
        } else {
          assertEquals(stage.steps.names.length, steps.length);
          assertEquals(stage.wire.isClosed(), steps.includes("close"));
        }
        assertEquals(stage.took, 0);
      });
      assert(rejected > 4 * steps.length, `${rejected}`);
    });

    for (const kind of ["cut", "slip"] as const) {
      Deno.test(`${how}: where the stream fails in any step, it says with what (${kind})`, async () => {
        await failEverywhere(kind, scenario, (stage, step) => {
          const outcome = outcomeOf(stage);
          const { failure } = stage.steps;
          assertEquals(stage.took, 0);
          if (outcome.state === "rejected") {
            const { reason } = outcome;
            // The caller's own function has failed, or its stream.
            if (step === "onRequest") return assertEquals(reason, failure);
            assert(!accepts);
            assertInstanceOf(reason, HandshakeError);
            assertEquals(reason.rule, "end-of-stream");
            return assertEquals(reason.cause, failure);
          }
          assert(accepts);
          const { value } = outcome;
          assert(value instanceof Object && "accepted" in value);
          assertEquals(value.accepted, false);
          assert(stage.wire.isClosed());
          // The answer is out where it is the closing that fails.
          if (step === "close" || step === "cancel") return;
          assert("failure" in value && value.failure instanceof Object);
          assert("cause" in value.failure);
          assertEquals(value.failure.cause, failure);
        });
      });
    }

    Deno.test(`${how}: where the peer hangs up in any step, it says so`, async () => {
      await failEverywhere("hang up", scenario, (stage) => {
        const outcome = outcomeOf(stage);
        assertEquals(stage.took, 0);
        if (outcome.state === "rejected") {
          assert(!accepts);
          assertInstanceOf(outcome.reason, HandshakeError);
          assertEquals(outcome.reason.rule, "end-of-stream");
          return;
        }
        const { value } = outcome;
        assert(value instanceof Object && "accepted" in value);
        // It has read all of the head: it does not mind that nothing follows.
        if (value.accepted || "response" in value && value.response) return;
        assert("failure" in value && value.failure instanceof Object);
        assert("rule" in value.failure);
        assertEquals(value.failure.rule, "end-of-stream");
        assert(stage.wire.isClosed());
      });
    });

    Deno.test(`${how}: where the stream stands still in any step, the signal ends it`, async () => {
      const patient: Scenario = {
        ...scenario,
        async play(stage) {
          const timer = setTimeout(() => stage.abort(), LATE);
          try {
            return await scenario.play(stage);
          } finally {
            clearTimeout(timer);
          }
        },
      };
      await failEverywhere("freeze", patient, (stage, step) => {
        if (wire === connWire && step === "close") return;
        const outcome = outcomeOf(stage);
        assert(outcome.state === "rejected");
        assertEquals(outcome.reason, stage.reason);
        assertEquals(stage.took, LATE);
        assert(stage.wire.isClosed());
      });
    });
  }
}
