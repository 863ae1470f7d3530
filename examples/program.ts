// What the programs of this folder have in common: their arguments, Ctrl-C, and a
// loop that accepts.

export * from "./arguments.ts";
export * from "./serve.ts";
