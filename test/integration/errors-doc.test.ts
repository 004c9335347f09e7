import { readFileSync } from "node:fs";
import { ErrorReason, ErrorReasonSchema } from "@parley/proto/parley/v1/error_detail_pb.js";
import { expect, test } from "vitest";
import { CODES, codeName } from "../../server/src/rpc/errors.js";

const document = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");

/** The rows of the table: code, reason, when, what to do. */
const rows = document
  .split("\n")
  .filter((line) => /^\|\s*`[a-z_]+`\s*\|/.test(line))
  .map((line) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );

test("docs/errors.md has one row for each reason, with the code that the server sends", () => {
  const documented = Object.fromEntries(rows.map(([code, reason]) => [reason, code]));
  const expected = ErrorReasonSchema.values.map(({ number, name }) => [
    `\`${name.replace("ERROR_REASON_", "")}\``,
    `\`${codeName(CODES[number as ErrorReason])}\``,
  ]);
  expect(documented).toEqual(Object.fromEntries(expected));
  expect(rows).toHaveLength(ErrorReasonSchema.values.length);
});

test("each row says when it comes and what to do", () => {
  for (const row of rows) {
    expect(row).toHaveLength(4);
    for (const cell of row) expect(cell).not.toBe("");
  }
});

test("the comment of each reason in the contract names the same code", () => {
  const proto = readFileSync(new URL("../../proto/parley/v1/error_detail.proto", import.meta.url), "utf8");
  for (const { number, name } of ErrorReasonSchema.values) {
    const comment = /\/\/ ([^\n]*)\n\s*$/.exec(proto.slice(0, proto.indexOf(` ${name} =`)))?.[1] ?? "";
    const code = codeName(CODES[number as ErrorReason]);
    expect([name, number === ErrorReason.UNSPECIFIED ? comment.includes("internal") : comment.includes(`(${code}`)]).toEqual([
      name,
      true,
    ]);
  }
});
