// The rules of a head, each at the byte that decides it. Here one by one, and
// with what is said to a person; `decoder_test.ts` has them as they meet bytes.
import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import type { Failure } from "../../src/framing/failure.ts";
import {
  firstBytes,
  type HeadRules,
  isOver,
  judge,
  lengthEnd,
  limit,
  readLength,
  tooLong,
} from "../../src/framing/rules.ts";
import { hex } from "../helpers/bytes.ts";

/** 0, 1, 2, 8, 9 and 10. */
const STANDARD = 0b0000_0111_0000_0111;
const NONE = new Array<number>(16).fill(0);

function rulesWith(some: Partial<HeadRules> = {}): HeadRules {
  return {
    masked: undefined,
    opcodes: STANDARD,
    reserved: NONE,
    control: true,
    fragmentation: true,
    shortestLength: true,
    maxFrameBytes: 1000,
    maxMessageBytes: 3000,
    ...some,
  };
}

interface Given {
  within?: boolean;
  messageBytes?: number;
  rules?: Partial<HeadRules>;
}

/** What the last of the bytes decides, the ones before having decided nothing. */
function judged(digits: string, given: Given = {}): Failure | undefined {
  const { within = false, messageBytes = 0 } = given;
  const rules = rulesWith(given.rules);
  const head = new Uint8Array(14).fill(0xee); // what is not there yet is not looked at
  const bytes = hex(digits);
  head.set(bytes);
  for (let have = 1; have < bytes.length; have++) {
    assertStrictEquals(
      judge(head, have, within, messageBytes, rules),
      undefined,
      `${digits}: byte ${have} decides`,
    );
  }
  return judge(head, bytes.length, within, messageBytes, rules);
}

function assertBreaks(
  digits: string,
  rule: Failure["rule"],
  message: string,
  given?: Given,
) {
  const code = rule.endsWith("-limit") ? 1009 : 1002;
  assertEquals(judged(digits, given), { rule, code, message }, digits);
}

function assertKeeps(digits: string, given?: Given) {
  assertStrictEquals(judged(digits, given), undefined, digits);
}

Deno.test("judge() finds reserved bits at byte 1", () => {
  const message = (bits: string) =>
    `Received a frame with the opcode 1 and ${bits} set, which nothing has claimed`;
  assertBreaks("c1", "reserved-bits", message("RSV1"));
  assertBreaks("a1", "reserved-bits", message("RSV2"));
  assertBreaks("91", "reserved-bits", message("RSV3"));
  assertBreaks("d1", "reserved-bits", message("RSV1 and RSV3"));
  assertBreaks("f1", "reserved-bits", message("RSV1 and RSV2 and RSV3"));
});

Deno.test("judge() lets the reserved bits through that an opcode may have", () => {
  const reserved = [...NONE];
  reserved[1] = 4;
  reserved[9] = 3;
  const given = { rules: { reserved } };
  assertKeeps("c1", given);
  assertKeeps("b9", given);
  assertBreaks(
    "f1",
    "reserved-bits",
    "Received a frame with the opcode 1 and RSV2 and RSV3 set, which nothing has claimed",
    given,
  );
  assertBreaks(
    "c2",
    "reserved-bits",
    "Received a frame with the opcode 2 and RSV1 set, which nothing has claimed",
    given,
  );
});

Deno.test("judge() finds opcodes that are not defined at byte 1", () => {
  for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
    const digits = (0x80 | opcode).toString(16);
    assertBreaks(
      digits,
      "opcode",
      `Received a frame with the opcode ${opcode}, which is not defined`,
    );
    assertKeeps(digits, { rules: { opcodes: STANDARD | 1 << opcode } });
  }
});

Deno.test("judge() finds control frames without FIN at byte 1", () => {
  for (const opcode of [8, 9, 10, 15]) {
    const rules = { opcodes: 0xffff };
    assertBreaks(
      "0" + opcode.toString(16),
      "fragmented-control",
      `Received a control frame with the opcode ${opcode} without FIN: control frames may not be fragmented`,
      { rules },
    );
    const free = { ...rules, control: false };
    assertKeeps("0" + opcode.toString(16), { rules: free });
  }
});

Deno.test("judge() finds what is out of place in a message at byte 1", () => {
  const stray = "Received a continuation frame with no message to continue";
  assertBreaks("80", "unexpected-continuation", stray);
  assertBreaks("00", "unexpected-continuation", stray);
  assertKeeps("80", { within: true });
  assertKeeps("00", { within: true });
  for (const digits of ["01", "81", "02", "82"]) {
    assertKeeps(digits);
    assertBreaks(
      digits,
      "unfinished-message",
      `Received a data frame with the opcode ${
        digits[1]
      } before the fragmented message was finished`,
      { within: true },
    );
    const rules = { fragmentation: false };
    assertKeeps(digits, { within: true, rules });
  }
  assertKeeps("80", { rules: { fragmentation: false } });
  for (const digits of ["88", "89", "8a"]) {
    assertKeeps(digits, { within: true });
  }
});

Deno.test("judge() finds the wrong direction of masking at byte 2", () => {
  const fromServer = "Received a masked frame from a server";
  const fromClient = "Received a frame from a client that is not masked";
  const masked = { rules: { masked: true } };
  const unmasked = { rules: { masked: false } };
  for (const length of ["00", "7d", "7e", "7f"]) {
    const set = (Number.parseInt(length, 16) | 0x80).toString(16);
    assertBreaks("82" + set, "masked-frame", fromServer, unmasked);
    assertBreaks("82" + length, "unmasked-frame", fromClient, masked);
    assertKeeps("82" + set, masked);
    assertKeeps("82" + length, unmasked);
    assertKeeps("82" + set);
    assertKeeps("82" + length);
  }
});

Deno.test("judge() finds control frames over 125 bytes at byte 2", () => {
  const message =
    "Received a control frame with more than 125 bytes of payload";
  for (const first of ["88", "89", "8a"]) {
    for (const second of ["7e", "7f", "fe", "ff"]) {
      assertBreaks(first + second, "control-length", message);
      assertKeeps(first + second, { rules: { control: false } });
    }
    assertKeeps(first + "7d");
    assertKeeps(first + "fd");
  }
});

Deno.test("judge() finds a length of 64 bits with its top bit set at byte 3", () => {
  const message = "Received a length of 64 bits with its top bit set";
  for (const shortestLength of [true, false]) {
    const rules = { shortestLength, maxFrameBytes: Number.MAX_SAFE_INTEGER };
    assertBreaks("82 7f 80", "length-form", message, { rules });
    assertBreaks("82 ff ff", "length-form", message, { rules });
  }
  const rules = { maxFrameBytes: 65_535, maxMessageBytes: 65_535 };
  assertKeeps("82 7e 80 00", { rules }); // a length of 16 bits has no such bit
});

Deno.test("judge() finds a padded length at the byte that shows it", () => {
  const message = "Received a length that is not in its shortest form";
  assertBreaks("82 7e 00 00", "length-form", message);
  assertBreaks("82 7e 00 7d", "length-form", message);
  assertKeeps("82 7e 00 7e");
  assertBreaks("82 7f 00 00 00 00 00 00", "length-form", message);
  const rules = { maxFrameBytes: 2 ** 17, maxMessageBytes: 2 ** 17 };
  assertKeeps("82 7f 00 00 00 00 00 01 00 00", { rules });
});

Deno.test("judge() lets padded lengths through when that rule is off", () => {
  const given = { rules: { shortestLength: false } };
  assertKeeps("82 7e 00 00", given);
  assertKeeps("82 7e 00 7d", given);
  assertKeeps("82 7f 00 00 00 00 00 00 00 00", given);
  assertKeeps("82 7f 00 00 00 00 00 00 03 e8", given);
});

Deno.test("judge() finds a frame over its limit at the first byte that shows it", () => {
  const over = (least: number, limit = 1000) =>
    `Received a frame of at least ${least} bytes: the limit is ${limit}`;
  assertKeeps("82 7e 03 e8");
  assertBreaks("82 7e 03 e9", "frame-limit", over(1001));
  assertBreaks("82 7e 04", "frame-limit", over(1024));
  const some = { rules: { maxMessageBytes: Infinity } };
  assertBreaks("82 7f 00 00 00 00 00 01", "frame-limit", over(65_536), some);
  assertBreaks("82 7f 00 00 00 01", "frame-limit", over(2 ** 32), some);
  assertBreaks("82 7f 40", "frame-limit", over(2 ** 62), some);
  const four = { rules: { maxFrameBytes: 4 } };
  assertKeeps("82 04", four);
  assertBreaks("82 05", "frame-limit", over(5, 4), four);
  const none = { rules: { maxFrameBytes: 0 } };
  assertKeeps("82 80", none);
  assertBreaks("82 81", "frame-limit", over(1, 0), none);
});

Deno.test("judge() finds a message over its limit, with all that its frames announce", () => {
  const over = (least: number) =>
    `Received a message of at least ${least} bytes: the limit is 3000`;
  const at = (messageBytes: number) => ({ within: true, messageBytes });
  assertKeeps("80 7e 01 f4", at(2500));
  assertBreaks("80 7e 01 f5", "message-limit", over(3001), at(2500));
  assertBreaks("80 7e 02", "message-limit", over(3012), at(2500));
  assertKeeps("80 00", at(3000));
  assertBreaks("80 01", "message-limit", over(3001), at(3000));
  // Where both limits are passed it is the message's that is named.
  const frame = "Received a frame of at least 1500 bytes: the limit is 1499";
  assertBreaks("80 7e 05 dc", "frame-limit", frame, {
    ...at(1500),
    rules: { maxFrameBytes: 1499 },
  });
  assertBreaks("82 7e 10", "message-limit", over(4096));
});

Deno.test("judge() counts no control frame against the limits", () => {
  const given = {
    within: true,
    messageBytes: 3000,
    rules: { maxFrameBytes: 0 },
  };
  assertKeeps("89 7d", given);
  assertBreaks(
    "89 7e 00 7e",
    "message-limit",
    "Received a message of at least 3126 bytes: the limit is 3000",
    { ...given, rules: { control: false } },
  );
});

Deno.test("judge() says nothing of the key", () => {
  assertKeeps("82 85 ff ff ff ff");
  assertKeeps("82 fe 03 e8 ff ff ff ff");
});

Deno.test("judge() keeps the order of the rules", () => {
  const first = (digits: string, given?: Given) => judged(digits, given)?.rule;
  const masked = { masked: true };
  const unmasked = { masked: false };
  const within = { within: true };
  // Byte 1: reserved bits, opcode, FIN on control, the state of the message.
  assertEquals(first("7f"), "reserved-bits");
  assertEquals(first("70"), "reserved-bits");
  assertEquals(first("49"), "reserved-bits");
  assertEquals(first("c1", within), "reserved-bits");
  assertEquals(first("0b"), "opcode");
  assertEquals(first("03", within), "opcode");
  assertEquals(first("09", within), "fragmented-control");
  // Byte 2: direction of the mask, length of control.
  assertEquals(first("89 7e", { rules: masked }), "unmasked-frame");
  assertEquals(first("89 fe", { rules: unmasked }), "masked-frame");
  const tiny = { maxFrameBytes: 3 };
  assertEquals(
    first("82 05", { rules: { ...tiny, ...masked } }),
    "unmasked-frame",
  );
  // Then the form of the length, then the limits.
  assertEquals(first("82 7e 00 05", { rules: tiny }), "length-form");
  assertEquals(first("82 7f 80", { rules: tiny }), "length-form");
  assertEquals(
    first("82 7f 00 00 00 00 00 00", { rules: tiny }),
    "length-form",
  );
  assertEquals(first("82 7e 00 7e", { rules: tiny }), "frame-limit");
});

Deno.test("firstBytes() tells for each first byte whether it breaks a rule", () => {
  const rules = rulesWith({ opcodes: STANDARD | 1 << 3 | 1 << 11 });
  const [before, within] = firstBytes(rules);
  const good = (table: Uint8Array) =>
    Array.from(table, (_, first) => first)
      .filter((first) => table[first] === 1);
  const control = [0x88, 0x89, 0x8a, 0x8b];
  assertEquals(good(before), [1, 2, 3, 0x81, 0x82, 0x83, ...control]);
  assertEquals(good(within), [0, 0x80, ...control]);
  assertEquals([before.length, within.length], [256, 256]);
});

Deno.test("firstBytes() agrees with judge() under all rules", () => {
  for (const control of [true, false]) {
    for (const fragmentation of [true, false]) {
      for (const opcodes of [STANDARD, 0xffff]) {
        for (const bits of [0, 4, 7]) {
          const reserved = [...NONE].fill(bits);
          const rules = rulesWith({
            control,
            fragmentation,
            opcodes,
            reserved,
          });
          firstBytes(rules).forEach((table, row) => {
            for (let first = 0; first < 256; first++) {
              const failure = judge(
                Uint8Array.of(first),
                1,
                row === 1,
                0,
                rules,
              );
              assertEquals(table[first], failure === undefined ? 1 : 0);
            }
          });
        }
      }
    }
  }
});

Deno.test("firstBytes() is made once for the same rules, and apart for others", () => {
  assertStrictEquals(
    firstBytes(rulesWith({ masked: true })),
    firstBytes(rulesWith({ maxFrameBytes: 5 })),
  );
  const reserved = [...NONE];
  reserved[15] = 1;
  assert(firstBytes(rulesWith({ reserved })) !== firstBytes(rulesWith()));
  assert(
    firstBytes(rulesWith({ control: false })) !==
      firstBytes(rulesWith({ fragmentation: false })),
  );
});

Deno.test("isOver() is true above either limit, and never of short control frames", () => {
  const rules = rulesWith();
  assert(!isOver(2, 1000, 0, rules));
  assert(isOver(2, 1001, 0, rules));
  assert(!isOver(0, 1000, 2000, rules));
  assert(isOver(0, 1000, 2001, rules));
  assert(!isOver(9, 125, 3000, rulesWith({ maxFrameBytes: 0 })));
  assert(isOver(9, 1001, 0, rules));
});

Deno.test("tooLong() names what is too long and by which limit", () => {
  assertEquals(tooLong("message", 11, 10), {
    rule: "message-limit",
    code: 1009,
    message: "Received a message of at least 11 bytes: the limit is 10",
  });
  assertEquals(tooLong("frame", 11, 10).rule, "frame-limit");
});

Deno.test("lengthEnd() and readLength() read the three forms of a length", () => {
  const forms: [digits: string, end: number, length: number][] = [
    ["82 00", 2, 0],
    ["82 fd", 2, 125],
    ["82 7e 00 7e", 4, 126],
    ["82 fe ff ff", 4, 65_535],
    ["82 7f 00 00 00 00 00 01 00 00", 10, 65_536],
    ["82 ff 00 00 00 00 ff ff ff ff", 10, 2 ** 32 - 1],
    ["82 7f 00 00 00 01 00 00 00 01", 10, 2 ** 32 + 1],
    ["82 7f 00 1f ff ff ff ff ff ff", 10, Number.MAX_SAFE_INTEGER],
  ];
  for (const [digits, end, length] of forms) {
    const head = hex(digits);
    assertEquals(lengthEnd(head[1]), end, digits);
    assertEquals(readLength(head, end), length, digits);
  }
});

Deno.test("limit() takes whole numbers from 0 on, and Infinity", () => {
  for (const bytes of [0, 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    assertEquals(limit("maxFrameBytes", bytes), bytes);
  }
  assertEquals(limit("maxFrameBytes", Infinity), Number.MAX_SAFE_INTEGER);
});

Deno.test("limit() throws when it is given another number", () => {
  for (const bytes of [NaN, -1, 1.5, -Infinity, 2 ** 53]) {
    assertThrows(
      () => limit("maxFrameBytes", bytes),
      RangeError,
      `Cannot use ${bytes} as maxFrameBytes: a whole number of bytes or Infinity is needed`,
    );
  }
});
