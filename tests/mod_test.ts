// The public surface: exactly these names exist at run time.
import { assertEquals } from "@std/assert";
import * as ws from "../mod.ts";

Deno.test("mod.ts exports these names and no others", () => {
  assertEquals(Object.keys(ws).sort(), [
    "Connection",
    "ExtensionError",
    "FrameDecoder",
    "Information",
    "Keepalive",
    "LocalProtocolError",
    "Opcode",
    "PreparedMessage",
    "encodeFrame",
    "formatFrame",
    "mask",
  ]);
});
