import { describe, expect, test } from "vitest";
import { createSignedUrls, type UrlGrant } from "./signed-urls.js";

const key = Buffer.alloc(32, 1);
const urls = createSignedUrls(key);
const grant: UrlGrant = { may: "get", appId: "app", attachmentId: "a-1", part: "original", expireMs: 61_500 };

describe("signed addresses", () => {
  test("say what they allow, until the second in which they end is over", () => {
    const target = urls.targetOf(grant);
    expect(target).toMatch(/^\/attachments\/app\/a-1\/original\?expires=62&signature=[\w-]{43}$/);
    expect(urls.read(target, "get", 61_999)).toEqual({ ...grant, expireMs: 62_000 });
    expect(() => urls.read(target, "get", 62_000)).toThrow("is over");
  });

  test("hold for one method, app, attachment, part, end and key each", () => {
    const signatureOf = (target: string) => target.slice(target.indexOf("signature="));
    const others: Partial<UrlGrant>[] = [
      { may: "put" },
      { appId: "app2" },
      { attachmentId: "a-2" },
      { part: "thumbnail" },
      { expireMs: 63_000 },
    ];
    const signatures = [grant, ...others.map((other) => ({ ...grant, ...other }))].map((one) =>
      signatureOf(urls.targetOf(one)),
    );
    expect(new Set([...signatures, signatureOf(createSignedUrls(Buffer.alloc(32, 2)).targetOf(grant))]).size).toBe(7);
    expect(() => urls.read(urls.targetOf(grant), "put", 0)).toThrow("no address");
    expect(() => createSignedUrls(Buffer.alloc(32, 2)).read(urls.targetOf(grant), "get", 0)).toThrow("no address");
  });

  test.each([
    "",
    "/attachments/",
    "/attachments/app/a-1/original",
    "/attachments/app/../original?expires=1&signature=",
  ])("%j is none", (target) => expect(() => urls.read(target, "get", 0)).toThrow("no address"));
});
