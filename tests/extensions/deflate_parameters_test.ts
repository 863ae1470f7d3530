import { assertEquals } from "@std/assert";
import {
  answerTo,
  type DeflateParameters,
  isWindowBits,
  judgeAnswer,
  offerOf,
} from "../../src/extensions/deflate_parameters.ts";
import type { ExtensionParameter } from "../../src/extensions/extension.ts";

const NOTHING: DeflateParameters = {
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: undefined,
  clientMaxWindowBits: undefined,
};
const ST = "server_no_context_takeover";
const CT = "client_no_context_takeover";
const SB = "server_max_window_bits";
const CB = "client_max_window_bits";

/** "a; b=1" as parameters. */
function read(text: string): ExtensionParameter[] {
  return text.split("; ").filter((part) => part !== "").map((part) => {
    const [name, value = null] = part.split("=");
    return [name, value];
  });
}

function write(parameters: readonly ExtensionParameter[]): string {
  return parameters
    .map(([name, value]) => value === null ? name : `${name}=${value}`)
    .join("; ");
}

Deno.test("isWindowBits() is true from 8 to 15", () => {
  for (const bits of [8, 9, 10, 11, 12, 13, 14, 15]) {
    assertEquals(isWindowBits(bits), true);
  }
  for (const bits of [7, 16, 8.5, NaN, "8", undefined]) {
    assertEquals(isWindowBits(bits), false);
  }
});

Deno.test("offerOf() offers a client_max_window_bits that is open", () => {
  assertEquals(write(offerOf(NOTHING)), CB);
});

Deno.test("offerOf() offers all that is wanted", () => {
  assertEquals(
    write(offerOf({
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
      serverMaxWindowBits: 10,
      clientMaxWindowBits: 12,
    })),
    `${ST}; ${CT}; ${SB}=10; ${CB}=12`,
  );
});

// The tables of answerTo, row by row: what is offered, what the server wants, and
// what it answers ("declined" where it does not).
const ANSWERS: readonly [string, Partial<DeflateParameters>, string][] = [
  ["", {}, ""],
  ["", { serverNoContextTakeover: true }, ST],
  [ST, {}, ST],
  [ST, { serverNoContextTakeover: true }, ST],

  ["", { clientNoContextTakeover: true }, CT],
  [CT, {}, CT],
  [CT, { clientNoContextTakeover: true }, CT],

  ["", { serverMaxWindowBits: 12 }, `${SB}=12`],
  [`${SB}=10`, {}, `${SB}=10`],
  [`${SB}=10`, { serverMaxWindowBits: 12 }, `${SB}=10`],
  [`${SB}=12`, { serverMaxWindowBits: 10 }, `${SB}=10`],
  [`${SB}=8`, {}, `${SB}=8`],
  [`${SB}=15`, {}, `${SB}=15`],

  ["", { clientMaxWindowBits: 12 }, "declined"],
  [CB, {}, ""],
  [CB, { clientMaxWindowBits: 12 }, `${CB}=12`],
  [`${CB}=10`, {}, `${CB}=10`],
  [`${CB}=10`, { clientMaxWindowBits: 12 }, `${CB}=10`],
  [`${CB}=12`, { clientMaxWindowBits: 10 }, `${CB}=10`],

  [`${ST}; ${CT}; ${SB}=9; ${CB}=9`, {}, `${ST}; ${CT}; ${SB}=9; ${CB}=9`],
];

for (const [offer, wanted, answer] of ANSWERS) {
  const name = `answerTo() answers "${offer}" with "${answer}" where ${
    JSON.stringify(wanted)
  } is wanted`;
  Deno.test(name, () => {
    const judged = answerTo(read(offer), { ...NOTHING, ...wanted });
    assertEquals(
      judged === undefined ? "declined" : write(judged.answer),
      answer,
    );
  });
}

Deno.test("answerTo() agrees on what it answers", () => {
  assertEquals(
    answerTo(read(`${CT}; ${SB}=10; ${CB}`), {
      ...NOTHING,
      clientMaxWindowBits: 11,
    })?.agreed,
    {
      serverNoContextTakeover: false,
      clientNoContextTakeover: true,
      serverMaxWindowBits: 10,
      clientMaxWindowBits: 11,
    },
  );
});

// The tables of judgeAnswer, row by row: what was offered, what was answered, and
// what is agreed on, or the message of the error.
const JUDGED: readonly [
  Partial<DeflateParameters>,
  string,
  Partial<DeflateParameters> | string,
][] = [
  [{}, "", {}],
  [{}, ST, { serverNoContextTakeover: true }],
  [
    { serverNoContextTakeover: true },
    "",
    `${ST} was asked for and is not granted`,
  ],
  [{ serverNoContextTakeover: true }, ST, { serverNoContextTakeover: true }],

  [{}, CT, { clientNoContextTakeover: true }],
  [{ clientNoContextTakeover: true }, "", { clientNoContextTakeover: true }],
  [{ clientNoContextTakeover: true }, CT, { clientNoContextTakeover: true }],

  [{}, `${SB}=10`, { serverMaxWindowBits: 10 }],
  [
    { serverMaxWindowBits: 12 },
    "",
    `${SB}=12 was asked for and is not granted`,
  ],
  [{ serverMaxWindowBits: 12 }, `${SB}=12`, { serverMaxWindowBits: 12 }],
  [{ serverMaxWindowBits: 12 }, `${SB}=8`, { serverMaxWindowBits: 8 }],
  [
    { serverMaxWindowBits: 12 },
    `${SB}=13`,
    `${SB}=12 was asked for and is not granted`,
  ],

  [{}, `${CB}=10`, { clientMaxWindowBits: 10 }],
  [{ clientMaxWindowBits: 12 }, "", { clientMaxWindowBits: 12 }],
  [{ clientMaxWindowBits: 12 }, `${CB}=10`, { clientMaxWindowBits: 10 }],
  [
    { clientMaxWindowBits: 12 },
    `${CB}=13`,
    `${CB}=13 is more than the offered 12`,
  ],
  [{}, CB, `${CB} is not a parameter`],
];

for (const [offered, answer, agreed] of JUDGED) {
  const name = `judgeAnswer() judges "${answer}" where ${
    JSON.stringify(offered)
  } was offered`;
  Deno.test(name, () => {
    assertEquals(
      judgeAnswer(read(answer), { ...NOTHING, ...offered }),
      typeof agreed === "string" ? agreed : { ...NOTHING, ...agreed },
    );
  });
}

// What is no parameter, on either side.
const BAD: readonly (readonly ExtensionParameter[])[] = [
  ...["7", "16", "08", "abc", "", "+8", "1e1", "8.0", " 8", "0x8", "10 "]
    .flatMap((value) => [[[SB, value]], [[CB, value]]] as const),
  [[SB, null]],
  [[ST, "1"]],
  [[ST, ""]],
  [[CT, "true"]],
  [[ST, null], [ST, null]],
  [[CT, null], [CT, null]],
  [[SB, "10"], [SB, "10"]],
  [[CB, "10"], [CB, null]],
  [["unknown", null]],
  [["__proto__", null]],
  [["constructor", "1"]],
  [["toString", null]],
  [[ST.toUpperCase(), null]],
];

for (const parameters of BAD) {
  Deno.test(`answerTo() declines and judgeAnswer() refuses ${JSON.stringify(parameters)}`, () => {
    assertEquals(answerTo(parameters, NOTHING), undefined);
    assertEquals(typeof judgeAnswer(parameters, NOTHING), "string");
  });
}
