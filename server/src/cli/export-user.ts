import { once } from "node:events";
import { closeSync, createReadStream, existsSync, openSync, truncateSync, writeSync } from "node:fs";
import { toJsonString } from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";
import { type AdminService, ExportUserResponseSchema } from "@parley/proto/parley/v1/admin_service_pb.js";
import { CommandFailure } from "./failure.js";

/** Where an export goes on: the checkpoint of the last whole line of its file, and where that line ends. */
interface Resumed {
  checkpoint: string;
  bytes: number;
}

/**
 * Writes an export line by line, each with the checkpoint behind it. One that was cut, by a crash too, goes on in its file, which then is as
 * if it had not been. Without a file it goes to stdout. Gives the number of items written.
 */
export async function exportUser(
  admin: Client<typeof AdminService>,
  userId: string,
  file: string | undefined,
  onItems: (items: number) => void,
): Promise<number> {
  const resumed = file !== undefined && existsSync(file) ? await lastCheckpoint(file) : { checkpoint: "", bytes: 0 };
  if (file !== undefined && existsSync(file)) truncateSync(file, resumed.bytes);
  const descriptor = file === undefined ? undefined : openSync(file, "a", 0o600);
  let items = 0;
  try {
    for await (const answer of admin.exportUser({ userId, checkpoint: resumed.checkpoint })) {
      const line = `${toJsonString(ExportUserResponseSchema, answer)}\n`;
      if (descriptor !== undefined) writeSync(descriptor, line);
      // Whoever reads it sets the pace.
      else if (!process.stdout.write(line)) await once(process.stdout, "drain");
      items += 1;
      onItems(items);
    }
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
  return items;
}

async function lastCheckpoint(file: string): Promise<Resumed> {
  let [rest, bytes, checkpoint] = ["", 0, ""];
  for await (const chunk of createReadStream(file, "utf8")) {
    const lines = (rest + String(chunk)).split("\n");
    rest = lines.pop() ?? "";
    const last = lines.at(-1);
    for (const line of lines) bytes += Buffer.byteLength(line) + 1;
    if (last !== undefined) checkpoint = checkpointOf(last, file);
  }
  return { checkpoint, bytes };
}

function checkpointOf(line: string, file: string): string {
  try {
    const { checkpoint } = JSON.parse(line) as { checkpoint?: unknown };
    if (typeof checkpoint === "string") return checkpoint;
  } catch {
    // Told below, as what is JSON and no export is.
  }
  throw new CommandFailure(`${file} is there already and holds no export; name another file`);
}
