import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fakeClock } from "../support/fake-clock.js";
import { startTestServer, type TestServer } from "../support/index.js";
import { must, otherApp } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { sized } from "../support/proofs/tier.js";
import { openRows, rowsDiff } from "../support/rows.js";
import { tempFolder } from "../support/temp-store.js";
import { type Answer, call, METHODS } from "./call.js";
import { isStruct, type Place, pathText, type Sample, withValue } from "./samples.js";
import { callerOf, fresh, furnish, idFor, samplesIn } from "./world.js";

/** What has opened other databases. */
const PAYLOADS = [
  "'",
  "''",
  '"',
  "`",
  "\\",
  "\\'",
  "%",
  "_",
  "%' OR '1'='1",
  "' OR '1'='1",
  "' OR 1=1 --",
  '" OR ""="',
  "') OR ('1'='1",
  "1 OR 1=1",
  "1; DROP TABLE message",
  "'; DROP TABLE message; --",
  "'; DELETE FROM user WHERE '1'='1",
  "'; UPDATE app SET client_key='x'; --",
  "'; INSERT INTO meta VALUES ('a','b'); --",
  "' UNION SELECT token_hash FROM session --",
  "' UNION ALL SELECT NULL,NULL,NULL --",
  "x' AND (SELECT count(*) FROM app) > 0 --",
  "' AND 1=randomblob(100000000) --",
  "' || (SELECT secret FROM credential) || '",
  "'||load_extension('x')||'",
  "'; ATTACH DATABASE '/tmp/x' AS x; --",
  "'; PRAGMA writable_schema=1; --",
  "/* comment */",
  "'/**/OR/**/1=1",
  "-- ",
  "#",
  ";",
  "?",
  "?1",
  ":name",
  "@name",
  "$1",
  "NULL",
  "0x27204f52",
  "ʼ OR 1=1 --",
] as const;

/** A text of the same shape that says nothing to a database. */
const harmless = (payload: string) => payload.replace(/[a-z]/g, "x").replace(/[A-Z]/g, "X").replace(/\d/g, "7");

/** Calls whose first success makes the next ones fail: it is made before texts are compared. */
const WORKS_ONCE = new Set(["LinkCredential", "ChangePassword"]);

describe("A13: SQL in every text of every call", () => {
  const folder = tempFolder();
  let server: TestServer;
  let other: TestServer;
  beforeAll(async () => {
    const limits = { changeBurst: 1e6, loginTries: 1e6, uploadBurst: 1e6 };
    // Its timers never ring, so nothing but the calls themselves uses the store.
    const clock = fakeClock(Date.now());
    server = await startTestServer({ clock, limits, settings: { dataDir: folder.path } });
    other = await otherApp(server);
  });
  afterAll(async () => {
    await server.close();
    folder[Symbol.dispose]();
  });

  test("is a text like any other", async (context) => {
    const [world] = [await furnish(server), await furnish(other)];
    const rows = openRows(server.dataDir);
    const before = rows.all({ appId: other.appId });
    const schema = schemaOf(server);
    const database = new Database(join(server.dataDir, "parley.db"), { readonly: true });
    const version = () => database.pragma("data_version", { simple: true });
    let [calls, texts, at] = [0, 0, 0];
    for (const method of METHODS.values())
      for (const { sample, place } of distinct(samplesIn(world, method))) {
        texts += 1;
        if (WORKS_ONCE.has(method.name))
          await call(server.url, method, placed(sample, place, randomUUID()), callerOf(method, world));
        // In the first tier each text gets its share of the payloads, and all together get all.
        for (const payload of Array.from(
          { length: sized(1, PAYLOADS.length) },
          () => PAYLOADS[at++ % PAYLOADS.length],
        )) {
          // What is an id like any other names a thing of its own, which calls before may have made.
          if (/^[\w-]+$/.test(must(payload)) && idFor(place.field, world.ids) !== undefined) continue;
          const outcomes: string[] = [];
          for (const text of [must(payload), harmless(must(payload))]) {
            const unchanged = version();
            const answer = await call(server.url, method, placed(sample, place, text), callerOf(method, world));
            calls += 1;
            outcomes.push(told(answer));
            // A code is counted before it is sent (ADR 23), so a gateway that takes none leaves its count.
            const counted = method.name === "RequestSmsCode" && outcomes.at(-1)?.startsWith("unavailable|SERVER_BUSY|");
            if ((!answer.ok && !counted) || method.idempotency === 1)
              expect(
                version(),
                `${sample.name}: ${pathText(place)} wrote although it was refused by ${outcomes.at(-1)}`,
              ).toBe(unchanged);
          }
          expect(outcomes[0], `${sample.name}: ${pathText(place)} = ${payload}`).toBe(outcomes[1]);
          expect(outcomes[0]).not.toContain("internal");
        }
      }
    expect(rowsDiff(before, rows.all({ appId: other.appId }))).toEqual([]);
    expect(schemaOf(server)).toEqual(schema);
    expect(database.pragma("integrity_check", { simple: true })).toBe("ok");
    database.close();
    rows.close();
    figure(context, `${PAYLOADS.length} payloads, ${texts} texts, ${calls} calls: 0 differ from harmless texts`);
  }, 300_000);
});

/** The only room that may import the database (ARCHITECTURE.md). */
const STORE = "server/src/store";

/** Names of tables and columns that come from the schema itself; they are quoted all the same. */
const NAMES_OF_THE_SCHEMA: Readonly<Record<string, readonly string[]>> = {
  "move.ts": ["sql.table(table)"],
  "move-mark.ts": ["sql.table(table)"],
  "move-rows.ts": ["sql.table(table)", "sql.ref(name)", 'sql.ref(columns[at]?.name ?? "")'],
};

describe("A13: statements", () => {
  test("are never put together from texts", () => {
    const found: string[] = [];
    for (const file of readdirSync(STORE)) {
      if (!file.endsWith(".ts") || file.endsWith(".test.ts")) continue;
      const source = readFileSync(join(STORE, file), "utf8");
      for (const fault of rawSql(source))
        if (!NAMES_OF_THE_SCHEMA[file]?.includes(fault)) found.push(`${file}: ${fault}`);
    }
    expect(found).toEqual([]);
    // It does find them.
    const bad = ["sql.raw(name)", "sql.ref(`x`+y)", "sql.lit(value)", "CompiledQuery.raw(text)", 'eb.ref(key as "a")'];
    for (const line of bad) expect(rawSql(line)).toHaveLength(1);
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source text.
    expect(rawSql("database.prepare(`select ${x}`)")).toHaveLength(1);
    expect(rawSql('sql.ref("online"), sql.lit(1)')).toEqual([]);
  });
});

/** The places in a source that make SQL from what is no constant. */
function rawSql(source: string): string[] {
  const calls = source.matchAll(
    /(?:\bsql\.(?:raw|lit|id|ref|table)|\bCompiledQuery\.raw|\.(?:dynamic\.\w+|key|at)|\beb\.(?:ref|lit|table))\(([^)]*)\)/g,
  );
  const built = source.matchAll(/\.(?:prepare|exec)\(\s*(`[^`]*\$\{[^`]*`|[^)]*\+[^)]*)\)/g);
  const constant = /^\s*("[^"]*"|'[^']*'|-?\d+)?\s*$/;
  return [
    // `.at(-1)` of a list is no JSON path.
    ...[...calls]
      .filter(([, given = ""]) => !constant.test(given))
      .filter(([text]) => !/^\.at\([^)"'`]*\)$/.test(text)),
    ...built,
  ].map(([text]) => text);
}

/** Each text of a method once, in a request that holds it. */
function distinct(samples: readonly Sample[]): { sample: Sample; place: Place }[] {
  const found = new Map<string, { sample: Sample; place: Place }>();
  for (const sample of samples)
    for (const place of sample.places) if (!found.has(pathText(place))) found.set(pathText(place), { sample, place });
  return [...found.values()];
}

function placed(sample: Sample, place: Place, text: string) {
  if (isStruct(place)) return withValue(fresh(sample), place, { [text]: text, list: [text] });
  // A name that may be taken once is a new one each time.
  return withValue(fresh(sample), place, place.field.name === "username" ? text + randomUUID() : text);
}

function told(answer: Answer): string {
  return answer.ok ? "ok" : [answer.code, answer.reason, answer.field, answer.message].join("|");
}

function schemaOf(server: TestServer): unknown[] {
  const database = new Database(join(server.dataDir, "parley.db"), { readonly: true });
  const rows = database.prepare("select type, name, sql from sqlite_master order by 1, 2").all();
  database.close();
  return rows;
}
