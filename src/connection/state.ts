// The state machine of a connection.
//
// Theory of operation
// ===================
//
// A WebSocket connection closes when each side has sent one close frame (RFC
// 6455, section 7.1), or when somebody breaks a rule, or when the stream ends.
// So five phases are enough:
//
//   open            nobody has sent a close frame
//   close-sent      we have; the peer may still send, and owes its own
//   close-received  the peer has; nothing more comes, and we owe ours
//   failed          the peer broke a rule; nothing more is read, and we may tell
//                   it why with a close frame
//   closed          both have, or there is nobody left to talk to
//
// The table is all there is: what each side does is a column, and a cell says
// which phase follows, or `null` where the step cannot be. A step that we cannot
// take is a mistake of the caller (`LocalProtocolError`); one that the peer
// cannot take is not looked at, as nothing is read in that phase.
//
// The table does not know which role we play: both sides obey the same rules.

/** Where a connection stands, in full. */
export type Phase =
  | "open"
  | "close-sent"
  | "close-received"
  | "failed"
  | "closed";

/** What can happen to it. */
export type Step =
  | "send-data"
  | "send-control"
  | "send-close"
  | "receive-data"
  | "receive-control"
  | "receive-close"
  | "receive-failure"
  | "receive-end";

/** Where a connection stands, as its user sees it. */
export type ConnectionState = "open" | "closing" | "closed";

/** The phase that follows each step, or `null` where the step cannot be. */
export const TRANSITIONS: Readonly<
  Record<Phase, Readonly<Record<Step, Phase | null>>>
> = {
  "open": {
    "send-data": "open",
    "send-control": "open",
    "send-close": "close-sent",
    "receive-data": "open",
    "receive-control": "open",
    "receive-close": "close-received",
    "receive-failure": "failed",
    // Without a close frame the stream has ended for the worse (1006), and
    // nobody is there to be told.
    "receive-end": "closed",
  },
  "close-sent": {
    // Section 5.5.1: nothing may follow a close frame, not even a pong.
    "send-data": null,
    "send-control": null,
    "send-close": null,
    "receive-data": "close-sent",
    "receive-control": "close-sent",
    "receive-close": "closed",
    "receive-failure": "closed",
    "receive-end": "closed",
  },
  "close-received": {
    "send-data": null,
    "send-control": null,
    "send-close": "closed",
    "receive-data": null,
    "receive-control": null,
    "receive-close": null,
    "receive-failure": null,
    // The peer may close its half at once; our close frame is owed all the same.
    "receive-end": "close-received",
  },
  "failed": {
    "send-data": null,
    "send-control": null,
    "send-close": "closed",
    "receive-data": null,
    "receive-control": null,
    "receive-close": null,
    "receive-failure": null,
    "receive-end": "failed",
  },
  "closed": {
    "send-data": null,
    "send-control": null,
    "send-close": null,
    "receive-data": null,
    "receive-control": null,
    "receive-close": null,
    "receive-failure": null,
    "receive-end": "closed",
  },
};

/** What the user sees of each phase. */
export const STATES: Readonly<Record<Phase, ConnectionState>> = {
  "open": "open",
  "close-sent": "closing",
  "close-received": "closing",
  "failed": "closing",
  "closed": "closed",
};

/** Whether frames are still read in a phase. */
export function isReading(phase: Phase): boolean {
  return TRANSITIONS[phase]["receive-data"] !== null;
}
