import { type Fields, type Kind, rowsOf } from "./attribute-rows.js";
import { bulkInsert } from "./bulk.js";
import type { Tx } from "./committer.js";

const insertRows = bulkInsert("attribute", ["app_id", "path", "folded", "owner", "exact", "single"]);

/** Makes what search knows of a new thing. */
export async function addSearchRows(
  tx: Tx,
  kind: Kind,
  owner: string,
  fields: Fields,
  attributes: Uint8Array | null,
): Promise<void> {
  await insertRows(tx.db, rowsOf(tx.appId, kind, owner, fields, attributes));
}

/** Makes it anew for a thing whose name or attributes have changed. */
export async function replaceSearchRows(
  tx: Tx,
  kind: Kind,
  owner: string,
  fields: Fields,
  attributes: Uint8Array | null,
): Promise<void> {
  await removeSearchRows(tx, owner);
  await addSearchRows(tx, kind, owner, fields, attributes);
}

/** Takes a thing that is gone out of search. */
export async function removeSearchRows(tx: Tx, owner: string): Promise<void> {
  await tx.db.deleteFrom("attribute").where("app_id", "=", tx.appId).where("owner", "=", owner).execute();
}
