import { afterEach, beforeEach, expect, test } from "vitest";
import { bytesOf, chunks } from "../../../../test/support/blobs.js";
import { type TempStore, tempStore } from "../../../../test/support/temp-store.js";
import { systemClock } from "../../ops/clock.js";
import type { BlobStore } from "../../ports.js";
import { findAttachment, insertAttachment } from "../../store/attachments.js";
import type { Ctx } from "../context.js";
import { createSignedUrls } from "./signed-urls.js";
import { createTransfers } from "./transfers.js";

let temp: TempStore;
beforeEach(async () => {
  temp = await tempStore();
  await temp.committer.run("app", async (tx) => {
    const told = {
      file_name: "",
      mime_type: "a/b",
      size_bytes: 3,
      charged_bytes: 1,
      width: 0,
      height: 0,
      thumbnail: 0,
    };
    const row = { app_id: "app", attachment_id: "id", owner_user_id: "", complete: 0, used: 0, create_ms: 1 };
    await insertAttachment(tx, { ...told, ...row });
  });
});
afterEach(() => temp[Symbol.asyncDispose]());

function gate() {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open: () => open(), opened };
}

test("an upload that came whole and is being stored does not take the place of a later one", async () => {
  const stored: string[] = [];
  const [store, whole] = [gate(), gate()];
  const blobs = {
    async receive(_name, bytes) {
      const text = String(await bytesOf(bytes));
      if (text === "old") {
        whole.open();
        await store.opened;
      }
      stored.push(text);
    },
  } as Partial<BlobStore> as BlobStore;
  const urls = createSignedUrls(Buffer.alloc(32));
  const transfers = createTransfers({ read: temp.store.read, blobs, urls, clock: systemClock } as unknown as Ctx);
  const target = urls.targetOf({
    appId: "app",
    attachmentId: "id",
    may: "put",
    part: "original",
    expireMs: Date.now() + 60_000,
  });
  const put = (text: string) => transfers.receive(target, chunks(...text), 3);
  const early = put("old");
  await whole.opened;
  const between = expect(put("new")).rejects.toThrow("a later upload took its place");
  const late = put("end");
  // Answered after what the last one asks the store first.
  await findAttachment(temp.store.read, "app", "id");
  expect(stored).toEqual([]);
  store.open();
  await Promise.all([early, between, late]);
  expect(stored).toEqual(["old", "end"]);
});
