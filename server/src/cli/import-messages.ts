import { equals } from "@bufbuild/protobuf";
import { type Client, ConnectError } from "@connectrpc/connect";
import {
  type AdminService,
  type ImportMessagesRequest,
  ImportMessagesRequestSchema,
} from "@parley/proto/parley/v1/admin_service_pb.js";
import { ErrorDetailSchema } from "@parley/proto/parley/v1/error_detail_pb.js";
import type { Answer } from "./answer.js";
import { batchesOf } from "./batches.js";
import { CommandFailure } from "./failure.js";
import { brokenOff } from "./import-users.js";
import { type ReadLine, readLines } from "./lines.js";
import { showProgress } from "./progress.js";

type Line = ReadLine<ImportMessagesRequest>;

/** Brings in the messages of a file. It stops at what is refused, and tells the line; running it again repeats nothing. */
export async function importMessages(
  admin: Client<typeof AdminService>,
  file: string,
  allowAfter: boolean,
): Promise<Answer> {
  const said = { imported: 0, deduplicated: 0 };
  const progress = showProgress("imported");
  try {
    const lines = readLines(file, ImportMessagesRequestSchema);
    const itemsOf = (request: ImportMessagesRequest) => request.messages.length;
    for await (const batch of batchesOf(lines, { itemsOf, together: ofOneConversation })) {
      if (progress.signal.aborted) throw brokenOff(batch[0]?.number ?? 0);
      const { conversation } = (batch[0] as Line).value;
      const messages = batch.flatMap(({ value }) => value.messages);
      const request = { conversation, messages, allowAfter };
      const answer = await sendSlowly(() => admin.importMessages(request)).catch((error: unknown) => {
        throw atItsLine(error, file, batch);
      });
      said.imported += answer.imported;
      said.deduplicated += answer.deduplicated;
      progress.onProgress(batch.at(-1)?.share ?? 1);
    }
  } finally {
    progress.end();
  }
  return said;
}

function ofOneConversation(a: ImportMessagesRequest, b: ImportMessagesRequest): boolean {
  const of = ({ conversation }: ImportMessagesRequest) => ({
    $typeName: ImportMessagesRequestSchema.typeName,
    conversation,
    messages: [],
    allowAfter: false,
  });
  return equals(ImportMessagesRequestSchema, of(a), of(b));
}

/** The server bounds the messages of a second; a file may hold more. */
async function sendSlowly<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const { seconds, nanos } = detailOf(error)?.retryDelay ?? { seconds: undefined, nanos: 0 };
      if (seconds === undefined) throw error;
      await new Promise((resolve) => setTimeout(resolve, Number(seconds) * 1000 + nanos / 1e6));
    }
  }
}

function detailOf(error: unknown) {
  return ConnectError.from(error).findDetails(ErrorDetailSchema)[0];
}

function atItsLine(error: unknown, file: string, batch: readonly Line[]): unknown {
  const detail = detailOf(error);
  const [, index, field = ""] = /^messages\[(\d+)\]\.?(.*)$/.exec(detail?.field ?? "") ?? [];
  if (detail === undefined || detail.retryable) return error;
  let left = Number(index ?? 0);
  const line = batch.find(({ value }) => {
    left -= value.messages.length;
    return left < 0;
  });
  const text = ConnectError.from(error).rawMessage;
  return new CommandFailure(`${file}:${line?.number ?? batch[0]?.number}: ${field || detail.field} ${text}`);
}
