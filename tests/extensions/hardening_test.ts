// What went wrong elsewhere behind compression, class by class, and what the
// fuzzer found here.
import { assert, assertEquals } from "@std/assert";
import { Connection } from "../../src/connection/connection.ts";
import {
  type DeflateCodec,
  DeflateDataError,
  portableCodec,
} from "../../src/extensions/deflate_codec.ts";
import { permessageDeflate } from "../../src/extensions/permessage_deflate.ts";
import { zlibCodec } from "../../src/extensions/zlib_codec.ts";
import { hex, toHex } from "../helpers/bytes.ts";
import {
  event,
  failure,
  joinParts,
  received,
  ROLES,
  wire,
} from "../helpers/events.ts";

const CODECS = [
  ["portableCodec", portableCodec],
  ["zlibCodec", zlibCodec],
] as const;

/** Messages that are wrong, and what stands before that. */
const CORRUPT: readonly (readonly [wrong: string, good: string])[] = [
  // A literal, then a distance that is too far back.
  ["4a 04 2a 00 00", "61"],
  // 1000 zeros, then a block that does not end.
  ["62 60 18 05 a3 60 14 30 0c 73 01 00", "00".repeat(1000)],
  // A stored block, then one of a type that does not exist.
  ["00 02 00 fd ff 68 69 06", "68 69"],
];

/** What an inflater gives of a message, in as many parts as one likes, and why no more. */
function inflated(
  codec: DeflateCodec,
  parts: readonly Uint8Array[],
): [given: string, why: string] {
  const inflater = codec.inflater({ windowBits: 15 });
  let given = "";
  try {
    for (const [i, part] of parts.entries()) {
      const last = i === parts.length - 1;
      const pieces = inflater.decompress(part, { last, budget: 1e6 });
      for (const piece of pieces) given += toHex(piece) + " ";
    }
  } catch (error) {
    if (error instanceof DeflateDataError) return [given, error.message];
    throw error;
  }
  return [given, ""];
}

for (const [name, codec] of CODECS) {
  Deno.test(`${name} gives what stands before something wrong, wherever the message is cut`, () => {
    for (const [wrong, good] of CORRUPT) {
      const bytes = hex(wrong);
      const whole = inflated(codec, [bytes]);
      assertEquals(hex(whole[0]), hex(good));
      for (let at = 0; at <= bytes.length; at++) {
        const parts = [bytes.slice(0, at), bytes.slice(at)];
        assertEquals(inflated(codec, parts), whole, `${wrong} cut at ${at}`);
      }
    }
  });
}

for (const role of ROLES) {
  Deno.test(`corrupt data gives a ${role} the same events, however it is cut`, () => {
    for (const [name, codec] of CODECS) {
      const deflate = permessageDeflate({ codec });
      const extension = () =>
        role === "client" ? deflate.accept([]) : answered(deflate);
      for (const [wrong, good] of CORRUPT) {
        const payload = hex(wrong);
        const bytes = wire(role, { opcode: 2, reserved: [1, 0, 0], payload });
        for (const delivery of ["message", "frame", "chunk"] as const) {
          const part = event("binary", hex(good), { fin: false });
          const fail = failure("extension", 1007);
          const expected = delivery === "chunk" ? [part, fail] : [fail];
          for (let at = 0; at <= bytes.length; at++) {
            const extensions = [extension()];
            const ws = new Connection(role, { delivery, extensions });
            const chunks = [bytes.slice(0, at), bytes.slice(at)];
            const seen = joinParts(received(ws, ...chunks));
            assertEquals(
              seen,
              expected,
              `${name} by ${delivery}, cut at ${at}`,
            );
          }
        }
      }
    }
  });
}

function answered(deflate: ReturnType<typeof permessageDeflate>) {
  const answer = deflate.answer([]);
  assert(answer !== undefined);
  return answer.extension;
}
