// Where other implementations decide otherwise than we do, each with the sentence
// of an RFC that says who is right. `differential_test.ts` fails where they differ
// in anything else, and where one of these is no more.

/** One kind of stream of which two implementations make different things. */
export interface Difference {
  /** What we make of it: an event, `close`, `fail` with code and rule, or `waits`. */
  readonly ours: string;
  /** What they make of it, at the first place where they differ from us. */
  readonly theirs: readonly string[];
  /** Who is right, and what says so. */
  readonly because: string;
}

/** Both say the same, of which one needs another byte or two to say it. */
function later(...rules: string[]): Difference[] {
  return rules.map((rule) => ({
    ours: `fail 1002 ${rule}`,
    theirs: ["waits"],
    because:
      "Both are right: RFC 6455, section 5.2, says that the connection fails, and " +
      "not at which byte. They read a head, or two bytes of it, before they judge " +
      "it, and these streams end before that.",
  }));
}

const EARLY_TEXT =
  'We are early, they are late: RFC 6455, section 8.1, "When an endpoint is to ' +
  "interpret a byte stream as UTF-8 but finds that the byte stream is not, in " +
  'fact, a valid UTF-8 stream, that endpoint MUST _Fail the WebSocket Connection_", ' +
  "and what is found is not said to wait for the end. ";

/** `npm:ws` 8.23. */
export const WS: readonly Difference[] = [
  ...later(
    ...["reserved-bits", "opcode", "fragmented-control"],
    ...["unexpected-continuation"],
  ),
  {
    ours: "fail 1007 utf-8",
    theirs: ["waits", "ping", "pong", "fail 1002"],
    because: EARLY_TEXT +
      "They look at a text when all of it has come: until then they wait, give the " +
      "control frames between, or find another rule broken further on.",
  },
  {
    ours: "fail 1002 length-form",
    theirs: ["text", "binary", "ping", "pong", "fail 1009"],
    because:
      'We are right: RFC 6455, section 5.2, "the minimal number of bytes MUST be ' +
      'used to encode the length". They read any form, and go on to what follows. ' +
      "(`lenient.paddedLength` does so here.)",
  },
];

/** Python's wsproto 1.2. */
export const WSPROTO: readonly Difference[] = [
  ...later(
    ...["reserved-bits", "opcode", "fragmented-control", "masked-frame"],
    ...["unexpected-continuation", "unfinished-message"],
  ),
  {
    ours: "fail 1007 utf-8",
    theirs: ["ping", "fail 1002"],
    because: EARLY_TEXT +
      "They hold a code point back that is not complete, wrong or not, until more " +
      "of the text comes. (1002 is for a close with 1014, of which see below, whose " +
      "reason is no UTF-8.)",
  },
  {
    ours: "close",
    theirs: ["fail 1002"],
    because:
      'We are right: RFC 6455, section 7.4.2, reserves 1000-2999 "for definition ' +
      'by this protocol, its future revisions, and extensions", and 1014 is in the ' +
      "registry that section 11.7 has set up. They know the codes up to 1013.",
  },
  {
    ours: "fail 1009 message-limit",
    theirs: ["waits", "fail 1007"],
    because:
      'We are right: RFC 6455, section 10.4, "MUST protect themselves against ' +
      'exceeding those limits". The lengths are over 2^53-1 here, which no number of ' +
      "ours holds; they have no limit and read on.",
  },
];
