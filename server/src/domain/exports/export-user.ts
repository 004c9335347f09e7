import type { ExportUserRequest } from "@parley/proto/parley/v1/admin_service_pb.js";
import { readLogState } from "../../store/log.js";
import { snapshot } from "../../store/snapshot.js";
import { findUser } from "../../store/users.js";
import type { ServiceCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { invalidField, notFound } from "../errors.js";
import { nextTurn } from "../next-turn.js";
import { pageToken, readPageToken } from "../page.js";
import { type ExportItem, SECTIONS, type SectionPlace } from "./user-sections.js";

const NAMES = Object.keys(SECTIONS);

/** Tells all that is stored of one user; see AdminService.ExportUser. Each step is read as one, and forgotten before the next. */
export async function* exportUser(
  ctx: Ctx,
  { appId }: ServiceCaller,
  { userId, checkpoint }: ExportUserRequest,
): AsyncGenerator<{ item: { item: ExportItem }; checkpoint: string }> {
  if ((await findUser(ctx.read, appId, userId)) === undefined) throw notFound("user", "user_id");
  const begun = readCheckpoint(checkpoint);
  const upToPos = begun?.upToPos ?? (await readLogState(ctx.read, appId)).head;
  const of = { appId, userId, upToPos };
  for (const name of NAMES.slice(begun === undefined ? 0 : NAMES.indexOf(begun.section))) {
    let at: SectionPlace | undefined = begun?.section === name ? begun.at : { key: "", seq: 0 };
    while (at !== undefined) {
      const from: SectionPlace = at;
      const step = await snapshot(ctx.read, (db) => (SECTIONS[name] as (typeof SECTIONS)[string])(ctx, db, of, from));
      for (const { item, after } of step.items)
        yield { item: { item }, checkpoint: pageToken(upToPos, name, after.key, after.seq) };
      at = step.next;
      await nextTurn();
    }
  }
}

function readCheckpoint(checkpoint: string) {
  const values = readPageToken(checkpoint, ["number", "string", "string", "number"], "checkpoint");
  if (values === undefined) return undefined;
  const [upToPos, section, key, seq] = values as [number, string, string, number];
  if (!NAMES.includes(section)) throw invalidField("checkpoint", "checkpoint is not one that this call returned");
  return { upToPos, section, at: { key, seq } };
}
