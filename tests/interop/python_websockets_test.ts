// Against Python's `websockets`, of the package python3-websockets.

import { testInterop } from "./cases.ts";
import {
  installedVersion,
  pythonWebsockets,
} from "./peers/python_websockets.ts";

const version = installedVersion();
const isNeeded = Deno.env.get("CI") === "true";

if (version !== undefined) {
  testInterop({ ...pythonWebsockets, name: `Python websockets ${version}` });
} else {
  Deno.test({
    name: "Python websockets: python3-websockets is not installed",
    ignore: !isNeeded,
    fn() {
      throw new Error("Install python3-websockets: in CI its tests must run");
    },
  });
}
