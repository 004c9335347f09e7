import { UserKind } from "@parley/proto/parley/v1/user_pb.js";
import { expect, test } from "vitest";
import { systemClock } from "../ops/clock.js";
import { createSessionCache, type Known } from "./session-cache.js";

function setUp(mostEntries = 3) {
  const time = { ms: 0 };
  const cache = createSessionCache({ ...systemClock, mono: () => time.ms }, { mostEntries, lifeMs: 60_000 });
  return { time, cache, keep: (key: string, known: Known) => cache.keep(cache.mark(), key, known) };
}

function session(id: string, userId = "Tom"): Known {
  return { kind: "session", appId: "app", id, userId, userKind: UserKind.ORDINARY, usedMs: 0, expireMs: 1 };
}

test("an ended session is forgotten at once, and only in its app", () => {
  const { cache, keep } = setUp();
  keep("hash", session("s1"));
  cache.forget("other", "s1");
  expect(cache.find("hash")).toBeDefined();
  cache.forget("app", "s1");
  expect(cache.find("hash")).toBeUndefined();
});

test("a look-up that was overtaken by a logout is not kept", () => {
  const { cache } = setUp();
  const mark = cache.mark();
  cache.forget("app", "s1");
  cache.keep(mark, "hash", session("s1"));
  expect(cache.find("hash")).toBeUndefined();
});

test("an entry is believed for a minute", () => {
  const { cache, keep, time } = setUp();
  keep("hash", session("s1"));
  time.ms = 59_999;
  expect(cache.find("hash")).toBeDefined();
  time.ms = 60_000;
  expect(cache.find("hash")).toBeUndefined();
});

test("the oldest goes first when it is full", () => {
  const { cache, keep } = setUp();
  for (const id of ["s1", "s2", "s3", "s4"]) keep(`hash of ${id}`, session(id));
  expect(cache.find("hash of s1")).toBeUndefined();
  expect(cache.find("hash of s2")).toBeDefined();
});

test("a user is forgotten with its sessions", () => {
  const { cache, keep } = setUp();
  keep("hash", session("s1"));
  keep("of Jerry", session("s2", "Jerry"));
  keep("acting", { kind: "user", appId: "app", id: "Tom", userKind: UserKind.ORDINARY });
  cache.forgetUser("app", "Tom");
  expect([cache.find("hash"), cache.find("acting")]).toEqual([undefined, undefined]);
  expect(cache.find("of Jerry")).toBeDefined();
});

test("a user that chose the id of a session for itself does not shield it", () => {
  const { cache, keep } = setUp();
  keep("hash", session("s1"));
  keep("acting", { kind: "user", appId: "app", id: "s1", userKind: UserKind.ORDINARY });
  cache.forget("app", "s1");
  expect(cache.find("hash")).toBeUndefined();
});
