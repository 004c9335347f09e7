import type { BlobPart, BlobStore } from "../ports.js";
import { listComplete } from "./attachments.js";
import { schemaAge } from "./migrate.js";
import type { Db } from "./schema.js";

const STEP_ITEMS = 1000;
const AT_ONCE = 20;

type Listed = Awaited<ReturnType<typeof listComplete>>[number];

/** Whether every attachment that can be sent has its bytes. Those that no record knows are no fault: the server removes them. */
export async function checkAttachments(
  db: Db,
  blobs: Pick<BlobStore, "size">,
  tell: (check: string, state: "ok" | "problem", text: string) => void,
): Promise<void> {
  if ((await schemaAge(db)) !== "current") return;
  const isWhole = async ({ app_id: appId, attachment_id: attachmentId, size_bytes: size, thumbnail }: Listed) => {
    const sizeOf = (part: BlobPart) => blobs.size({ appId, attachmentId }, part);
    return (await sizeOf("original")) === size && (thumbnail === 0 || (await sizeOf("thumbnail")) !== undefined);
  };
  let [all, without, example] = [0, 0, ""];
  for (let after = { appId: "", attachmentId: "" }; ; ) {
    const rows = await listComplete(db, after, STEP_ITEMS);
    for (let at = 0; at < rows.length; at += AT_ONCE) {
      const some = rows.slice(at, at + AT_ONCE);
      const whole = await Promise.all(some.map(isWhole));
      const lacking = some.filter((_, index) => whole[index] !== true);
      all += some.length;
      without += lacking.length;
      const [first] = lacking;
      if (first !== undefined && example === "") example = `${first.attachment_id} of app ${first.app_id}`;
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < STEP_ITEMS) break;
    after = { appId: last.app_id, attachmentId: last.attachment_id };
  }
  if (without > 0)
    tell("attachments", "problem", `${without} of ${all} attachments lack their bytes, such as ${example}`);
  else tell("attachments", "ok", `${all} attachments, all with their bytes`);
}
