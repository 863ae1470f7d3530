// The negotiation of permessage-deflate (RFC 7692, section 7.1): what is offered,
// what is answered, and what both come to.
//
// Each side has two parameters. `no_context_takeover`: it begins each message with
// an empty window. `max_window_bits`: its window has no more than 2^bits bytes.
// What they mean differs between an offer and an answer, so the rules stand as
// tables above the code that obeys them.

import type { ExtensionParameter } from "./extension.ts";

/** A size of the LZ77 window: it has 2^bits bytes, 256 to 32 KiB. */
export type WindowBits = 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15;

/** What a side wants, or what was agreed on. */
export interface DeflateParameters {
  /** Whether the server begins each message with an empty window. */
  readonly serverNoContextTakeover: boolean;
  /** Whether the client does. */
  readonly clientNoContextTakeover: boolean;
  /** The size of the server's window, `undefined` where nothing is said of it. */
  readonly serverMaxWindowBits: WindowBits | undefined;
  /** The size of the client's window. */
  readonly clientMaxWindowBits: WindowBits | undefined;
}

/** The parameters as they stand in an offer or an answer. */
interface Parsed extends DeflateParameters {
  /** Whether `client_max_window_bits` is there without a value: in offers alone. */
  readonly clientMaxWindowBitsOpen: boolean;
}

const SERVER_TAKEOVER = "server_no_context_takeover";
const CLIENT_TAKEOVER = "client_no_context_takeover";
const SERVER_BITS = "server_max_window_bits";
const CLIENT_BITS = "client_max_window_bits";

const SIZES: readonly WindowBits[] = [8, 9, 10, 11, 12, 13, 14, 15];

/** Whether a number is a size of a window. */
export function isWindowBits(bits: unknown): bits is WindowBits {
  return SIZES.some((size) => size === bits);
}

/**
 * Reads parameters, or says what is wrong with them: unknown, doubled, or with a
 * value that may not be (section 7.1: then an offer is declined, an answer fails).
 */
function parse(
  parameters: readonly ExtensionParameter[],
  isOffer: boolean,
): Parsed | string {
  let serverNoContextTakeover = false;
  let clientNoContextTakeover = false;
  let serverMaxWindowBits: WindowBits | undefined = undefined;
  let clientMaxWindowBits: WindowBits | undefined = undefined;
  let clientMaxWindowBitsOpen = false;

  const seen = new Set<string>();
  for (const [name, value] of parameters) {
    if (seen.has(name)) return `${name} is there twice`;
    seen.add(name);
    // Digits alone, without a leading zero: "08", "+8" and "1e1" are no sizes.
    const bits = SIZES.find((size) => `${size}` === value);
    if (name === SERVER_TAKEOVER && value === null) {
      serverNoContextTakeover = true;
    } else if (name === CLIENT_TAKEOVER && value === null) {
      clientNoContextTakeover = true;
    } else if (name === SERVER_BITS && bits !== undefined) {
      serverMaxWindowBits = bits;
    } else if (name === CLIENT_BITS && bits !== undefined) {
      clientMaxWindowBits = bits;
    } else if (name === CLIENT_BITS && value === null && isOffer) {
      clientMaxWindowBitsOpen = true;
    } else {
      return `${name}${value === null ? "" : `=${value}`} is not a parameter`;
    }
  }
  return {
    serverNoContextTakeover,
    clientNoContextTakeover,
    serverMaxWindowBits,
    clientMaxWindowBits,
    clientMaxWindowBitsOpen,
  };
}

/** The parameters of a client's offer. */
export function offerOf(wanted: DeflateParameters): ExtensionParameter[] {
  const offer = format(wanted);
  // Without a value it says that the client can keep to whatever size the server
  // asks for (section 7.1.2.2), which ours always can.
  if (wanted.clientMaxWindowBits === undefined) offer.push([CLIENT_BITS, null]);
  return offer;
}

/** The parameters of an answer. */
function format(answer: DeflateParameters): ExtensionParameter[] {
  const parameters: ExtensionParameter[] = [];
  if (answer.serverNoContextTakeover) parameters.push([SERVER_TAKEOVER, null]);
  if (answer.clientNoContextTakeover) parameters.push([CLIENT_TAKEOVER, null]);
  const { serverMaxWindowBits, clientMaxWindowBits } = answer;
  if (serverMaxWindowBits !== undefined) {
    parameters.push([SERVER_BITS, `${serverMaxWindowBits}`]);
  }
  if (clientMaxWindowBits !== undefined) {
    parameters.push([CLIENT_BITS, `${clientMaxWindowBits}`]);
  }
  return parameters;
}

/** The smaller of two sizes, either of which may be left open. */
function smaller(
  a: WindowBits | undefined,
  b: WindowBits | undefined,
): WindowBits | undefined {
  return a === undefined || b !== undefined && b < a ? b : a;
}

/** A server's answer to an offer, and what both come to. */
export interface AgreedAnswer {
  readonly answer: readonly ExtensionParameter[];
  readonly agreed: DeflateParameters;
}

/** What a server that wants something answers to an offer; `undefined` declines it. */
export function answerTo(
  parameters: readonly ExtensionParameter[],
  wanted: DeflateParameters,
): AgreedAnswer | undefined {
  const offer = parse(parameters, true);
  if (typeof offer === "string") return undefined;

  // server_no_context_takeover (section 7.1.1.1): asked for, it must be granted;
  // the server may also choose it unasked.
  //
  //   offered  wanted  answered
  //   no       no      no
  //   no       yes     yes
  //   yes      no      yes
  //   yes      yes     yes
  const serverNoContextTakeover = offer.serverNoContextTakeover ||
    wanted.serverNoContextTakeover;

  // client_no_context_takeover (section 7.1.1.2): offered, it is what the client
  // will do anyway; the server may also demand it.
  //
  //   offered  wanted  answered
  //   no       no      no
  //   no       yes     yes
  //   yes      no      yes
  //   yes      yes     yes
  const clientNoContextTakeover = offer.clientNoContextTakeover ||
    wanted.clientNoContextTakeover;

  // server_max_window_bits (section 7.1.2.1): the answer is no larger than the
  // offer; the server may also bind itself unasked.
  //
  //   offered  wanted  answered
  //   -        -       -
  //   -        W       W
  //   N        -       N
  //   N        W       the smaller of both
  const serverMaxWindowBits = smaller(
    offer.serverMaxWindowBits,
    wanted.serverMaxWindowBits,
  );

  // client_max_window_bits (section 7.1.2.2): only a client that mentions it can
  // be bound. What it offers with a value it keeps to in any case.
  //
  //   offered    wanted  answered
  //   -          -       -
  //   -          W       the offer is declined
  //   no value   -       -
  //   no value   W       W
  //   N          -       N
  //   N          W       the smaller of both
  const isBindable = offer.clientMaxWindowBitsOpen ||
    offer.clientMaxWindowBits !== undefined;
  if (!isBindable && wanted.clientMaxWindowBits !== undefined) return undefined;
  const clientMaxWindowBits = smaller(
    offer.clientMaxWindowBits,
    wanted.clientMaxWindowBits,
  );

  const agreed = {
    serverNoContextTakeover,
    clientNoContextTakeover,
    serverMaxWindowBits,
    clientMaxWindowBits,
  };
  return { answer: format(agreed), agreed };
}

/** What an answer comes to for a client that offered something, or why it is none. */
export function judgeAnswer(
  parameters: readonly ExtensionParameter[],
  offered: DeflateParameters,
): DeflateParameters | string {
  const answer = parse(parameters, false);
  if (typeof answer === "string") return answer;

  // server_no_context_takeover: what was asked for must be granted.
  //
  //   offered  answered  agreed
  //   no       no        no
  //   no       yes       yes
  //   yes      no        an error
  //   yes      yes       yes
  if (offered.serverNoContextTakeover && !answer.serverNoContextTakeover) {
    return `${SERVER_TAKEOVER} was asked for and is not granted`;
  }

  // client_no_context_takeover: what was offered the client does anyway.
  //
  //   offered  answered  agreed
  //   no       no        no
  //   no       yes       yes
  //   yes      no        yes
  //   yes      yes       yes
  const clientNoContextTakeover = offered.clientNoContextTakeover ||
    answer.clientNoContextTakeover;

  // server_max_window_bits: what was asked for must be granted, or less.
  //
  //   offered  answered  agreed
  //   -        -         -
  //   -        M         M
  //   N        -         an error
  //   N        M <= N    M
  //   N        M > N     an error
  const asked = offered.serverMaxWindowBits;
  const granted = answer.serverMaxWindowBits;
  if (asked !== undefined && (granted === undefined || granted > asked)) {
    return `${SERVER_BITS}=${asked} was asked for and is not granted`;
  }

  // client_max_window_bits: was always offered, with a value or without one.
  //
  //   offered    answered  agreed
  //   no value   -         -
  //   no value   M         M
  //   N          -         N
  //   N          M <= N    M
  //   N          M > N     an error
  const most = offered.clientMaxWindowBits;
  const demanded = answer.clientMaxWindowBits;
  if (most !== undefined && demanded !== undefined && demanded > most) {
    return `${CLIENT_BITS}=${demanded} is more than the offered ${most}`;
  }

  return {
    serverNoContextTakeover: answer.serverNoContextTakeover,
    clientNoContextTakeover,
    serverMaxWindowBits: granted,
    clientMaxWindowBits: demanded ?? most,
  };
}
