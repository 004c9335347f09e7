import { png, putBytes, upload } from "../support/uploads.js";
import { caseList, repeated } from "./mutations-case.js";

const { cases, silent } = caseList();

/** Uploads. What they make is nobody else's to see before a message uses it. */
export const ATTACHMENTS = cases;

silent(
  "AttachmentService.CreateUpload",
  async ({ tom }) =>
    () =>
      tom.rpc.attachment.createUpload({ fileName: "cat.png", mimeType: "image/png", sizeBytes: 10 }),
);
silent("AttachmentService.CompleteUpload", async ({ tom }) => {
  const { attachmentId, uploadUrl } = await tom.rpc.attachment.createUpload({ mimeType: "a/b", sizeBytes: 3 });
  await putBytes(uploadUrl, Buffer.from("cat"));
  return () => tom.rpc.attachment.completeUpload({ attachmentId });
});
silent(
  "AttachmentService.CompleteUpload",
  async ({ tom }) => {
    const { attachmentId } = await upload(tom, png(2, 2), { mimeType: "image/png" });
    return repeated(() => tom.rpc.attachment.completeUpload({ attachmentId }));
  },
  "a repeat",
);
