// Two connections that talk: what one sends goes through both.

import { assert, assertEquals } from "@std/assert";
import { Connection } from "../../src/connection/connection.ts";
import type { SendData } from "../../src/connection/event.ts";
import type { Role } from "../../src/connection/options.ts";
import type { Reserved } from "../../src/framing/frame.ts";
import type { CustomOpcodes } from "../../src/framing/opcode.ts";
import { drain, type Options, other, type Seen } from "./events.ts";

/** A client and a server with the same options, and the wires between them. */
export class ConnectionPair {
  readonly client: Connection<CustomOpcodes, Reserved>;
  readonly server: Connection<CustomOpcodes, Reserved>;

  constructor(options: Options = {}) {
    this.client = new Connection(
      "client",
      options,
    );
    this.server = new Connection("server", options);
  }

  /** One of the two. */
  end(role: Role): Connection<CustomOpcodes, Reserved> {
    return role === "client" ? this.client : this.server;
  }

  /** Sends from one end and gives what the other receives, and its answers. */
  push(
    from: Role,
    data: SendData<CustomOpcodes> | readonly SendData<CustomOpcodes>[],
  ): { seen: Seen[]; answers: Seen[] } {
    const sent = this.end(from).send(data);
    return this.carry(from, sent);
  }

  /** Carries bytes from one end to the other, and the answers back. */
  carry(from: Role, bytes: Uint8Array): { seen: Seen[]; answers: Seen[] } {
    const sender = this.end(from);
    const receiver = this.end(other(from));
    receiver.recv(bytes.slice());
    const seen: Seen[] = [];
    const answers: Seen[] = [];
    for (const event of receiver.events()) {
      // An event of a frame can be kept as long as its chunk is not reused.
      seen.push(event);
      sender.recv(receiver.reply(event).slice());
      answers.push(...drain(sender));
    }
    return { seen, answers };
  }

  /** Asserts the state of both ends. */
  assertStates(client: string, server: string): void {
    assertEquals([this.client.state, this.server.state], [client, server]);
  }

  /** Asserts that the connection was closed as it should be, by whom. */
  assertClean(initiator: Role, statusCode: number | undefined): void {
    this.assertStates("closed", "closed");
    for (const role of ["client", "server"] as const) {
      const summary = this.end(role).summary;
      assert(summary !== undefined);
      assertEquals(summary.clean, true);
      assertEquals(summary.initiator, role === initiator ? "us" : "peer");
      assertEquals(summary.sent?.statusCode, statusCode);
      assertEquals(summary.received?.statusCode, statusCode);
      assertEquals(summary.failure, null);
    }
  }
}
