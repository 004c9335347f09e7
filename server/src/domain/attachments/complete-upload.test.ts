import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bytesOf, textOf } from "../../../../test/support/blobs.js";
import { type TempStore, tempStore } from "../../../../test/support/temp-store.js";
import { png } from "../../../../test/support/uploads.js";
import type { BlobStore } from "../../ports.js";
import { type AttachmentRow, findAttachment, insertAttachment } from "../../store/attachments.js";
import type { Committer } from "../../store/committer.js";
import { createDiskBlobs } from "../../store/disk-blobs.js";
import type { Ctx } from "../context.js";
import { completeUpload } from "./complete-upload.js";
import { createTurns } from "./turns.js";

const caller = { kind: "service", appId: "app", serviceKeyId: "key" } as const;
const name = { appId: "app", attachmentId: "id-xy" };
const [FIRST, SECOND] = [png(1, 1), Buffer.concat([png(1, 1).subarray(0, -1), Buffer.from("x")])];

let temp: TempStore;
let blobs: BlobStore;
beforeEach(async () => {
  temp = await tempStore();
  blobs = createDiskBlobs(temp.dataDir);
  await temp.committer.run("app", async (tx) => {
    const told = { file_name: "", mime_type: "image/png", size_bytes: FIRST.length, charged_bytes: 1 };
    const found = { width: 0, height: 0, thumbnail: 0, complete: 0, used: 0, create_ms: 1 };
    await insertAttachment(tx, { app_id: "app", attachment_id: "id-xy", owner_user_id: "", ...told, ...found });
  });
});
afterEach(() => temp[Symbol.asyncDispose]());

const put = async (bytes: Buffer) =>
  await blobs.receive(name, [bytes] as unknown as AsyncIterable<Uint8Array>, bytes.length);

/** A node of its own over the same store, and what its image reader sees. */
function node(look: Ctx["images"]["look"], committer = temp.committer) {
  const ctx = { read: temp.store.read, committer, blobs, turns: createTurns(), images: { look } };
  return {
    complete: () =>
      completeUpload({ ...ctx, imageGate: (work: () => Promise<unknown>) => work() } as unknown as Ctx, caller, {
        attachmentId: "id-xy",
        sha256: "",
      } as Parameters<typeof completeUpload>[2]),
  };
}

const sees = (width: number) => async () => ({ width, height: 1, thumbnail: Buffer.from(`picture of ${width}`) });
const thumbnail = async () => {
  return await textOf(await blobs.read(name, "thumbnail", 0, 100));
};
const row = async (): Promise<AttachmentRow | undefined> => await findAttachment(temp.store.read, "app", "id-xy");

describe("an upload that two nodes complete", () => {
  test("is what the one that began last has looked at", async () => {
    await put(FIRST);
    const late = node(sees(2));
    const early = node(async () => {
      // Meanwhile other bytes come, and another node completes.
      await put(SECOND);
      expect(await late.complete()).toMatchObject({ width: 2, complete: 1 });
      return await sees(1)();
    });
    await expect(early.complete()).rejects.toMatchObject({ message: "another call completes this upload" });
    expect(await row()).toMatchObject({ width: 2, complete: 1, attempt: 2 });
    expect(await thumbnail()).toBe("picture of 2");
  });

  test("is not claimed again by one that has read the record before it was complete", async () => {
    await put(FIRST);
    const early = node(sees(1));
    let before: (() => Promise<unknown>) | undefined = async () => {
      await early.complete();
      await put(SECOND);
    };
    const delayed: Committer = {
      ...temp.committer,
      async run(...args) {
        await before?.();
        before = undefined;
        return await temp.committer.run(...args);
      },
    };
    const late = node(sees(2), delayed);
    expect(await late.complete()).toMatchObject({ width: 1, complete: 1 });
    expect((await bytesOf(await blobs.read(name, "original", 0, FIRST.length)))?.equals(FIRST)).toBe(true);
  });

  test("can be tried again when an attempt fails", async () => {
    await put(FIRST);
    const failing = node(async () => {
      throw new Error("no good");
    });
    await expect(failing.complete()).rejects.toThrow("no good");
    expect(await node(sees(3)).complete()).toMatchObject({ width: 3, complete: 1, attempt: 2 });
    expect(await node(sees(4)).complete()).toMatchObject({ width: 3 });
  });
});
