import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { authenticate } from "../../server/src/domain/authenticate.js";
import type { Ctx } from "../../server/src/domain/context.js";
import { newOperatorToken } from "../../server/src/domain/tokens.js";
import { figure } from "../support/proofs/figure.js";
import { sized, TIER_2 } from "../support/proofs/tier.js";

/** The lines in which something that sounds like a secret is compared letter by letter, and why that gives nothing away. */
// biome-ignore-start lint/suspicious/noTemplateCurlyInString: these are lines of source.
const NO_SECRETS: Record<string, string> = {
  "domain/answer-once.ts: if (requestHash.equals(known.request_hash)) return fromBinary(kept.schema, known.response);":
    "the caller's own request",
  "domain/login/credentials/change-password.ts: if (current !== known.secret) throw wrongPassword();":
    "two stored hashes, to see whether one was replaced",
  "domain/login/limits.ts: if (app?.clientKey !== clientKey)": "a client key is public",
  'domain/login/oauth/oidc.ts: if (nonce !== raw && nonce !== createHash("sha256").update(raw).digest("hex")) throw wrongProof();':
    "both are the caller's own",
  "store/open-s3-blobs.ts: if (!found.includes(key) || (await textOf(objects, key)) !== key)":
    "the name of an object that was just written, to see whether it is read again",
  "domain/admin/import-messages.ts: if (send.hash.equals(hash)) return false;": "the app's own request",
  'domain/attachments/complete-upload.ts: if (hash.digest("hex") !== sha256.toLowerCase())':
    "the sum that the caller gave of the caller's own bytes",
  "domain/attachments/heard.ts: if (entries <= mostEntries || oldest === key) break;":
    "the place of an entry in memory",
  "domain/exports/user-sections.ts: return rows.slice(rows.findIndex((row) => keyOf(row) === at.key) + 1);":
    "the place of a row in an export",
  "domain/installations/bind.ts: ...(kept?.push_token === row.push_token ? [] : [installationId]),":
    "a token told again on its own installation: nothing answers whether it was the same",
  "domain/login/password.ts: if (now?.secret !== credential.secret) return wrongPassword();":
    "two stored hashes, to see whether one was replaced",
  'domain/login/signed-claims.ts: if (key.keyId !== "" && key.keyId !== header.kid) continue;': "the name of a key",
  'domain/page.ts: if (bytes.toString("base64url") !== token) return undefined;':
    "the form of a page token, which proves nothing",
  "domain/secret-box.ts: if (key.length !== KEY_BYTES) throw new Error(`the secret key has ${key.length} bytes instead of ${KEY_BYTES}`);":
    "a length, at the start",
  "domain/secret-box.ts: if (key.length !== KEY_BYTES) throw new Error(`${source} is not a key of ${KEY_BYTES} bytes in hex or base64`);":
    "a length, at the start",
  "domain/send-system-message.ts: if (hash.equals(earlier.request_hash)) return { payload: earlier.response, deduplicated: true };":
    "the app's own request",
  "domain/send-transient.ts: if (earlier.hash === sent.hash) return { payload: earlier.message, deduplicated: true };":
    "the caller's own request",
  "domain/store-sends.ts: if (!send.hash.equals(stored.hash))": "the caller's own request",
  "domain/tokens.ts: return withSum(token.slice(0, -SUM_LETTERS)) === token;": "a sum that anybody can make",
  "http/admission.ts: if (neighbour.open === 0 && neighbour.tokens === perAddress) neighbours.delete(network);":
    "a count",
  "store/cursor.ts: if (!place.subarray(1, 5).equals(appMark(appId))) return undefined;":
    "the mark of an app, which proves nothing",
};
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: these are lines of source.

// A plain comparison ends at the first letter that differs, so its time tells how much of a guess was right.
const COMPARED =
  /[\w.?]*(token|secret|password|hash|key)[\w.?]*(\([^()]*\))? *[!=]==? |[!=]==? *[\w.?]*(token|secret|password|hash|key)\w*|\.equals\(|localeCompare\(/i;
// Whether there is one, and of what kind it is, is no secret.
const OF_KIND = /(typeof )?[\w.?]+(\([^()]*\))? *[!=]==? *(undefined|null|"[\w ]*"|\d+)/g;

describe("A16: comparing secrets", () => {
  test("is done by looking up their hash, or in one time", (context) => {
    const found: string[] = [];
    for (const file of readdirSync("server/src", { recursive: true, encoding: "utf8" }).sort()) {
      if (!file.endsWith(".ts") || file.endsWith(".test.ts")) continue;
      for (const line of readFileSync(join("server/src", file), "utf8").split("\n")) {
        if (/^\s*(\/\/|\*|\/\*)/.test(line)) continue;
        if (COMPARED.test(line.replace(OF_KIND, ""))) found.push(`${file}: ${line.trim()}`);
      }
    }
    expect(found.filter((line) => NO_SECRETS[line] === undefined)).toEqual([]);
    expect(Object.keys(NO_SECRETS).filter((line) => !found.includes(line))).toEqual([]);
    for (const bad of ["if (token === expected) {", "return a.secret.equals(b)", "given !== app.password"])
      expect(bad).toMatch(COMPARED);
    figure(context, `${found.length} plain comparisons of what sounds like a secret, each with its reason`);
  });

  test("takes no longer for a token that begins right", async (context) => {
    const token = newOperatorToken();
    const ctx = { operatorTokenHash: createHash("sha256").update(token).digest() } as unknown as Ctx;
    const other = (at: number) => `${token.slice(0, at)}${token[at] === "A" ? "B" : "A"}${token.slice(at + 1)}`;
    const tokens = [other(3), other(token.length - 1)];
    const proofs = tokens.map((text) => ({
      authorization: `Bearer ${text}`,
      actingUserId: undefined,
      origin: undefined,
    }));
    const rounds = sized(5_000, 100_000);
    const times: [number[], number[]] = [[], []];
    for (let at = 0; at < rounds; at += 1)
      // The one that goes first takes turns.
      for (const which of at % 2 === 0 ? [0, 1] : [1, 0]) {
        const began = process.hrtime.bigint();
        await authenticate(ctx, proofs[which] as (typeof proofs)[0]).catch(() => undefined);
        times[which]?.push(Number(process.hrtime.bigint() - began));
      }
    const t = welch(trimmed(times[0]), trimmed(times[1]));
    figure(context, `t = ${Math.abs(t).toFixed(1)} over ${rounds} pairs of tokens that differ early and late`);
    expect(Math.abs(t)).toBeLessThan(TIER_2 ? 15 : 50);
  });
});

/** Without the slowest tenth, which the machine has made. */
function trimmed(values: readonly number[]): number[] {
  return values.toSorted((a, b) => a - b).slice(0, Math.floor(values.length * 0.9));
}

/** Welch's t of two samples. */
function welch(a: readonly number[], b: readonly number[]): number {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanA, meanB] = [mean(a), mean(b)];
  const variance = (values: readonly number[], middle: number) =>
    values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1);
  return (meanA - meanB) / Math.sqrt(variance(a, meanA) / a.length + variance(b, meanB) / b.length);
}
