import { readFileSync } from "node:fs";
import { ErrorReason, ErrorReasonSchema } from "@parley/proto/parley/v1/error_detail_pb.js";
import { expect, test } from "vitest";
import { DomainError } from "../../server/src/domain/errors.js";
import { CODES, codeName, wireError } from "../../server/src/rpc/errors.js";

const document = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");

/** The rows of the table: reason, code, when, what to do. */
const rows = document
  .split("\n")
  .filter((line) => /^\| [A-Z_]+ \|/.test(line))
  .map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
const codeOf = (reason: ErrorReason) => codeName(CODES[reason]);
const nameOf = (reason: ErrorReason) => ErrorReason[reason] ?? "";
const reasons = ErrorReasonSchema.values.map(({ number }) => number as ErrorReason);

test("docs/errors.md has one row for each reason, with the code that the server sends", () => {
  expect(rows.map(([reason, code]) => `${reason} ${code}`)).toEqual(
    reasons.map((reason) => `${nameOf(reason)} ${codeOf(reason)}`),
  );
});

test("it names exactly the reasons that are retryable", () => {
  const named = /Retryable are exactly ([A-Z_, ]+ and [A-Z_]+)/.exec(document)?.[1]?.match(/[A-Z_]{2,}/g) ?? [];
  const retryable = reasons.filter((reason) => wireError(new DomainError(reason, ""), "").detail.retryable);
  expect(named.sort()).toEqual(retryable.map(nameOf).sort());
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
    const code = codeOf(number as ErrorReason);
    expect([name, comment]).toEqual([name, expect.stringMatching(number === 0 ? `code ${code}` : `\\(${code}\\b`)]);
  }
});
