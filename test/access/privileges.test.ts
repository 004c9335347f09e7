import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fakeClock } from "../support/fake-clock.js";
import { startTestServer, type TestServer } from "../support/index.js";
import { must } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { tempFolder } from "../support/temp-store.js";
import { call, METHODS } from "./call.js";
import { OUTCOMES, PRIVILEGES } from "./privileges.js";
import { type Cast, gather, ROLE_NAMES, ROLES, type Role } from "./roles.js";
import { samplesOf } from "./samples.js";
import { fillFrom, fresh } from "./world.js";

describe("A2: who may do what", () => {
  const folder = tempFolder();
  const clock = fakeClock(Date.now());
  const sessionMs = 86_400_000;
  let server: TestServer;
  let cast: Cast;
  beforeAll(async () => {
    const limits = { changeBurst: 1e6, loginTries: 1e6, uploadBurst: 1e6 };
    server = await startTestServer({ clock, limits, times: { sessionMs }, settings: { dataDir: folder.path } });
    cast = await gather(server, clock, sessionMs);
  });
  afterAll(async () => {
    await server.close();
    folder[Symbol.dispose]();
  });

  test("every call of the contract has a row", () => {
    const rows = new Set(PRIVILEGES.map((row) => row.call.split(" ")[0]));
    expect([...METHODS.keys()].filter((name) => !rows.has(name))).toEqual([]);
    expect([...rows].filter((name) => !METHODS.has(must(name)))).toEqual([]);
  });

  test("every call of every role is answered as the table says", async (context) => {
    let found = "";
    for (const { call: name, outcomes } of PRIVILEGES) {
      const got: Record<string, string> = {};
      for (const role of ROLE_NAMES) got[role] = await outcomeOf(cast, name, role);
      const differ = ROLE_NAMES.filter((role) => got[role] !== outcomes[role]);
      for (const role of differ) found += `${name} by ${role}: ${got[role]} instead of ${outcomes[role]}\n`;
    }
    expect(found).toBe("");
    figure(
      context,
      `${PRIVILEGES.length * ROLE_NAMES.length} of ${PRIVILEGES.length * ROLE_NAMES.length} cells equal, ${METHODS.size} RPCs`,
    );
  }, 300_000);

  // `npx vitest run test/access/privileges -u` writes it anew.
  test("docs/privileges.md is this table", async () => {
    await expect(document()).toMatchFileSnapshot("../../docs/privileges.md");
  });
});

async function outcomeOf(cast: Cast, name: string, role: Role): Promise<string> {
  const { server, ids } = cast;
  const method = must(METHODS.get(must(name.split(" ")[0])));
  const who = cast.credentials(role);
  const fill = fillFrom({ app: server, ids, cursor: "", pageToken: "" });
  // A reply would ask for a second right.
  const samples = samplesOf(method, (field) => (field.name === "reply_to_message_id" ? undefined : fill(field)));
  const sample = must(samples.find((one) => one.name === name || one.name.startsWith(`${name} `)));
  const answer = await call(server.url, method, fresh(sample), who);
  if (!answer.ok) return answer.reason;
  await cast.restore(role, method.name);
  return "yes";
}

function document(): string {
  const letters = Object.entries(OUTCOMES).filter(([letter]) => letter !== "Y");
  const letterOf = new Map(Object.entries(OUTCOMES).map(([letter, outcome]) => [outcome, letter]));
  return [
    "# Who may do what",
    "",
    "Made from `test/access/privileges.ts`, which a test compares with the server, cell by cell. A call that takes an address has a row for each kind",
    "of address. In this table's app strangers may not write to each other (`allow_stranger_messages` off) and the group is open to join.",
    "",
    "| role | who that is |",
    "|---|---|",
    ...ROLE_NAMES.map((role) => `| ${role} | ${ROLES[role]} |`),
    "",
    `Y is yes; the rest are reasons of [errors.md](errors.md): ${letters.map(([letter, reason]) => `${letter} ${reason}`).join(", ")}.`,
    "A yes of *foreign* touches its own app alone.",
    "",
    `| call | ${ROLE_NAMES.join(" | ")} |`,
    `|---|${ROLE_NAMES.map(() => ":-:|").join("")}`,
    ...PRIVILEGES.map(
      ({ call: name, outcomes }) =>
        `| ${name} | ${ROLE_NAMES.map((role) => letterOf.get(outcomes[role])).join(" | ")} |`,
    ),
    "",
  ].join("\n");
}
