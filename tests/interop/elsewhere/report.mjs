// Prints the report of `exchange.mjs`, for runtimes with a command line.

import process from "node:process";
import { exchange } from "./exchange.mjs";

process.stdout.write(`${JSON.stringify(await exchange())}\n`);
