import { expect, test } from "vitest";
import { ErrorReason } from "./errors.js";
import { createGate } from "./gate.js";
import { createPasswords } from "./passwords.js";

test("a few run at once, a few wait in order, and one more is told to come back", async () => {
  const gate = createGate({ atOnce: 2, queue: 2, retryDelayMs: 7 });
  const started: number[] = [];
  const finish: (() => void)[] = [];
  const work = (id: number) =>
    gate(async () => {
      started.push(id);
      await new Promise<void>((resolve) => finish.push(resolve));
    });
  const works = [1, 2, 3, 4].map(work);
  await expect(work(5)).rejects.toMatchObject({ reason: ErrorReason.SERVER_BUSY, facts: { retryDelayMs: 7 } });
  expect(started).toEqual([1, 2]);
  for (let at = 0; at < 4; at++) {
    finish[at]?.();
    await works[at];
    await Promise.resolve();
  }
  expect(started).toEqual([1, 2, 3, 4]);
});

test("work that fails gives its place back", async () => {
  const gate = createGate({ atOnce: 1, queue: 0, retryDelayMs: 1 });
  await expect(gate(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(await gate(async () => "yes")).toBe("yes");
});

test("passwords are argon2id of the stated cost, and nobody's matches nothing", async () => {
  const passwords = createPasswords();
  const stored = await passwords.hash("secret");
  expect(stored).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  expect(await passwords.matches("secret", stored)).toBe(true);
  expect(await passwords.matches("Secret", stored)).toBe(false);
  expect(await passwords.matches("secret", undefined)).toBe(false);
});
