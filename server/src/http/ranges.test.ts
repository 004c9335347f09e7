import { describe, expect, test } from "vitest";
import { rangeOf } from "./ranges.js";

describe("rangeOf", () => {
  test.each([
    ["bytes=0-0", { start: 0, end: 1 }],
    ["bytes=0-", { start: 0, end: 10 }],
    ["bytes=3-5", { start: 3, end: 6 }],
    ["bytes=9-9", { start: 9, end: 10 }],
    ["bytes=9-1000", { start: 9, end: 10 }],
    ["bytes=-3", { start: 7, end: 10 }],
    ["bytes=-1000", { start: 0, end: 10 }],
    ["bytes=10-", "unsatisfiable"],
    ["bytes=10-12", "unsatisfiable"],
    ["bytes=-0", "unsatisfiable"],
    [undefined, "whole"],
    ["bytes=-", "whole"],
    ["bytes=5-3", "whole"],
    ["bytes=0-1,3-4", "whole"],
    [`bytes=${"0-1,".repeat(2000)}0-1`, "whole"],
    ["bytes=0x1-3", "whole"],
    ["lines=0-1", "whole"],
    ["bytes=99999999999999999999-", "whole"],
  ])("%s of ten bytes", (header, expected) => expect(rangeOf(header, 10)).toEqual(expected));
});
