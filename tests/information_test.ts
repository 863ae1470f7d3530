// What is answered when there is no event.
import { assert, assertEquals } from "@std/assert";
import { Information } from "../src/information.ts";

Deno.test("Information is a closed set of two literals", () => {
  assertEquals(Information, {
    NEED_DATA: "NEED_DATA",
    CONNECTION_CLOSED: "CONNECTION_CLOSED",
  });
});

Deno.test("Information is told apart by the compiler", () => {
  const all: Record<Information, true> = {
    NEED_DATA: true,
    CONNECTION_CLOSED: true,
  };
  assertEquals(Object.keys(all), Object.values(Information));
  const answer: Information = Information.NEED_DATA;
  // @ts-expect-error the two are never equal
  assert(answer !== Information.CONNECTION_CLOSED);
});
