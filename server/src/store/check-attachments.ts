import { statSync } from "node:fs";
import { listComplete } from "./attachments.js";
import { blobFile, blobFolder } from "./disk-blobs.js";
import { schemaAge } from "./migrate.js";
import type { Db } from "./schema.js";

const STEP_ITEMS = 1000;

/** Whether every attachment that can be sent has its bytes. Files that no record knows are no fault: the server removes them. */
export async function checkAttachments(
  db: Db,
  dataDir: string,
  tell: (check: string, state: "ok" | "problem", text: string) => void,
): Promise<void> {
  if ((await schemaAge(db)) !== "current") return;
  const folder = blobFolder(dataDir);
  let [all, without, example] = [0, 0, ""];
  for (let after = { appId: "", attachmentId: "" }; ; ) {
    const rows = await listComplete(db, after, STEP_ITEMS);
    for (const { app_id: appId, attachment_id: attachmentId, size_bytes: size, thumbnail } of rows) {
      const name = { appId, attachmentId };
      const whole =
        sizeOf(blobFile(folder, name, "original")) === size &&
        (thumbnail === 0 || sizeOf(blobFile(folder, name, "thumbnail")) !== undefined);
      all += 1;
      if (whole) continue;
      without += 1;
      if (example === "") example = `${attachmentId} of app ${appId}`;
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < STEP_ITEMS) break;
    after = { appId: last.app_id, attachmentId: last.attachment_id };
  }
  if (without > 0)
    tell("attachments", "problem", `${without} of ${all} attachments lack their bytes, such as ${example}`);
  else tell("attachments", "ok", `${all} attachments, all with their bytes`);
}

function sizeOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.size;
}
