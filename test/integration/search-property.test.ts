import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { fromJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { backend, newUser, startTestServer } from "../support/index.js";
import { must } from "../support/messaging.js";

import { seed, sized } from "../support/proofs/tier.js";
import { random } from "../support/random.js";

const WORDS = [
  "Tom",
  "tom",
  "ＴＯＭ",
  "Jerry",
  "50%",
  "a_b",
  "Straße",
  "STRASSE",
  "ﬁsh",
  "𝒳",
  "\uffee",
  "",
  "x'y",
  "日本",
  "ア",
];
const PATHS = ["level", "city", "tags", "address.city", "a\\.b", "deep.list.name", "attributes.display_name"];
const SORTS = [...PATHS, "display_name", "create_time"];
const USERS = 60;
const ROUNDS = sized(60, 2_000);

interface Subject {
  userId: string;
  displayName: string;
  createMs: number;
  attributes: JsonObject;
}

type Filter = { path: string; equals: string | number | boolean | null } | { path: string; contains: string };

function makeSubject(below: (n: number) => number, at: number): Omit<Subject, "createMs"> {
  const word = () => must(WORDS[below(WORDS.length)]);
  const value = (): JsonValue =>
    must([word(), word(), below(5) - 2, below(3) / 7, below(2) === 0, null, -1e300, 0][below(8)]);
  const attributes: JsonObject = {};
  if (below(4) > 0) attributes.level = value();
  if (below(3) > 0) attributes.city = word();
  if (below(2) > 0) attributes.tags = [word(), value(), word()];
  if (below(2) > 0) attributes.address = { city: word(), zip: below(100) };
  if (below(3) === 0) attributes["a.b"] = value();
  if (below(3) === 0) attributes.deep = { list: [{ name: word() }, { name: value() }] };
  if (below(4) === 0) attributes.display_name = word();
  return { userId: `user-${String(at).padStart(3, "0")}`, displayName: word(), attributes };
}

/** The values at a path with whether they are the only ones there: what the contract says, the slow way. */
function valuesAt(subject: Subject, path: string): { values: JsonValue[]; single: boolean } {
  if (path === "display_name") return { values: subject.displayName === "" ? [] : [subject.displayName], single: true };
  if (path === "create_time") return { values: [subject.createMs], single: true };
  const keys = path
    .replace(/^attributes\./, "")
    .replaceAll("\\.", "\0")
    .split(".")
    .map((key) => key.replaceAll("\0", "."));
  let single = true;
  const walk = (value: JsonValue | undefined, rest: string[]): JsonValue[] => {
    if (value === undefined) return [];
    if (Array.isArray(value)) {
      single = false;
      return value.flatMap((item) => walk(item, rest));
    }
    const [key, ...others] = rest;
    if (value !== null && typeof value === "object") return key === undefined ? [] : walk(value[key], others);
    return key === undefined ? [value] : [];
  };
  return { values: walk(subject.attributes, keys), single };
}

const folded = (text: string) => text.normalize("NFKC").toLowerCase().normalize("NFKC");

function meets(subject: Subject, filter: Filter): boolean {
  const { values } = valuesAt(subject, filter.path);
  if ("equals" in filter) return values.some((value) => value === filter.equals);
  return values.some((value) => typeof value === "string" && folded(value).includes(folded(filter.contains)));
}

/** The rank of a value's kind, and the value in a form that sorts within it. */
function sortForm(value: JsonValue): [number, number | number[]] {
  if (value === null) return [0, 0];
  if (typeof value === "boolean") return [1, Number(value)];
  if (typeof value === "number") return [2, value];
  return [3, [...folded(String(value))].map((character) => must(character.codePointAt(0)))];
}

function compareForms([rank, a]: [number, number | number[]], [otherRank, b]: [number, number | number[]]): number {
  if (rank !== otherRank) return rank - otherRank;
  if (typeof a === "number" || typeof b === "number") return Number(a) - Number(b);
  for (const [at, code] of a.entries()) if (code !== b[at]) return b[at] === undefined ? 1 : code - b[at];
  return a.length - b.length;
}

function sorted(subjects: Subject[], sort: readonly string[]): Subject[] {
  const keyOf = (subject: Subject, path: string) => {
    const { values, single } = valuesAt(subject, path);
    return single && values.length === 1 ? must(values[0]) : undefined;
  };
  return subjects.toSorted((a, b) => {
    for (const [at, term] of sort.entries()) {
      const path = term.replace(/^-/, "");
      const [one, two] = [keyOf(a, path), keyOf(b, path)];
      if (one === undefined && two === undefined && at === 0) break;
      if (one === undefined || two === undefined) {
        if (one !== two) return one === undefined ? 1 : -1;
        continue;
      }
      const order = compareForms(sortForm(one), sortForm(two));
      if (order !== 0) return term.startsWith("-") ? -order : order;
    }
    return a.userId < b.userId ? -1 : 1;
  });
}

describe("A13: what a search finds is what a filter in memory finds, in the same order", () => {
  // With small bounds the same things are found by walking, some at a time.
  test.each([
    ["by looking at all that one condition selects", {}],
    ["by walking in order, a few things at a time", { searchedThings: 40, searchedRows: 10 }],
    ["by walking, when the last page must be sought", { searchedThings: 7, searchedRows: 3 }],
  ])(
    "%s",
    async (_, limits) => {
      const from = seed();
      const below = random(from);
      const server = await startTestServer({ limits });
      const { admin, user } = backend(server);
      const made = Array.from({ length: USERS }, (_, at) => makeSubject(below, at));
      for (const one of made.toSorted(() => below(3) - 1)) await admin.batchUpsertUsers({ users: [one] });
      const { users } = await user.batchGetUsers({ userIds: made.map(({ userId }) => userId) });
      const subjects = made.map((one, at): Subject => {
        const time = must(users[at]?.createTime);
        return { ...one, createMs: Number(time.seconds) * 1000 + time.nanos / 1e6 };
      });
      const zoe = await newUser(server, "zoe");
      const searcher = zoe.rpc.user;
      subjects.push(asSubject(must((await searcher.getUser(zoe)).user)));
      let [found, pages, refused] = [0, 0, 0];
      for (let round = 0; round < ROUNDS; round++) {
        const filters = Array.from({ length: below(3) }, (): Filter => {
          const path = must([...PATHS, "display_name"][below(PATHS.length + 1)]);
          const { values } = valuesAt(must(subjects[below(subjects.length)]), path);
          const value = values[0] ?? must([null, "Tom", 1, true][below(4)]);
          if (typeof value === "string" && value !== "" && below(2) === 0)
            return { path, contains: [...value].slice(below(2)).join("") || value };
          return { path, equals: value as string };
        });
        const sort = [...new Set(Array.from({ length: below(4) }, () => must(SORTS[below(SORTS.length)])))].map(
          (path) => (below(2) === 0 ? path : `-${path}`),
        );
        const expected = sorted(
          subjects.filter((subject) => filters.every((filter) => meets(subject, filter))),
          sort,
        );
        const what = JSON.stringify({ filters, sort, from, round });
        const got: string[] = [];
        const request = {
          filters: filters.map((filter) => ({
            path: filter.path,
            condition:
              "equals" in filter
                ? { case: "equals" as const, value: fromJson(ValueSchema, filter.equals) }
                : { case: "contains" as const, value: filter.contains },
          })),
          sort,
          pageSize: below(4) === 0 ? 100 : 1 + below(9),
        };
        try {
          for (let pageToken = ""; ; ) {
            const page = await searcher.searchUsers({ ...request, pageToken });
            expect(page.users.length).toBeLessThanOrEqual(request.pageSize);
            got.push(...page.users.map(({ userId }) => userId));
            pages += 1;
            expect(got.length, `${what} goes on for ever`).toBeLessThanOrEqual(subjects.length);
            pageToken = page.nextPageToken;
            if (pageToken === "") break;
          }
        } catch (error) {
          // Only many that are equal by the first of several paths cannot be ordered.
          expect(String(error), what).toContain("things equal by its first path");
          expect(sort.length, what).toBeGreaterThan(1);
          refused += 1;
          continue;
        }
        expect(got, what).toEqual(expected.map(({ userId }) => userId));
        found += got.length;
      }
      expect(found).toBeGreaterThan(ROUNDS);
      expect(refused).toBeLessThan(ROUNDS / 2);
      expect(pages).toBeGreaterThan(ROUNDS);
      await server.close();
    },
    120_000,
  );
});

function asSubject(user: {
  userId: string;
  displayName: string;
  createTime?: { seconds: bigint; nanos: number } | undefined;
  attributes?: JsonObject | undefined;
}): Subject {
  const time = must(user.createTime);
  return {
    userId: user.userId,
    displayName: user.displayName,
    createMs: Number(time.seconds) * 1000 + time.nanos / 1e6,
    attributes: user.attributes ?? {},
  };
}
