// What every peer goes through, in both directions: our client against its server,
// and its client against ours.

import type { Role } from "../../mod.ts";
import { CLOSE_CASES } from "./close_cases.ts";
import {
  CLIENT_CASES,
  HANDSHAKE_CASES,
  SERVER_CASES,
} from "./handshake_cases.ts";
import { interopTest } from "./helpers.ts";
import { MESSAGE_CASES } from "./message_cases.ts";
import type { Peer } from "./peer.ts";
import { PLAIN, setStage, type Variant } from "./stage.ts";
import { VIOLATION_CASES } from "./violation_cases.ts";

const CASES = [
  ...MESSAGE_CASES,
  ...CLOSE_CASES,
  ...VIOLATION_CASES,
  ...HANDSHAKE_CASES,
];

/** Registers the tests of a peer. */
export function testInterop(peer: Peer, variant: Variant = PLAIN): void {
  const suffix = variant.name === "" ? "" : `, ${variant.name}`;
  const title = (role: Role) =>
    role === "client"
      ? `our client and the server of ${peer.name}${suffix}`
      : `our server and the client of ${peer.name}${suffix}`;

  for (const role of ["client", "server"] as const) {
    for (const [name, wishes, run] of CASES) {
      interopTest(`${title(role)}: ${name}`, async (scope) => {
        await run(await setStage(scope, peer, variant, role, wishes));
      });
    }
  }
  for (const [name, run] of CLIENT_CASES) {
    interopTest(
      `${title("client")}: ${name}`,
      (scope) => run(scope, peer, variant),
    );
  }
  for (const [name, run] of SERVER_CASES) {
    interopTest(
      `${title("server")}: ${name}`,
      (scope) => run(scope, peer, variant),
    );
  }
}
