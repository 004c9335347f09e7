import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Address } from "../support/index.js";
import {
  installed,
  output,
  type Program,
  python,
  root,
  type StartOptions,
  start,
  temporaryFolder,
} from "./programs.js";

export const pythonInstalled = installed("Python with grpcio", [
  "protobuf-compiler",
  "protobuf-compiler-grpc",
  "python3-grpcio",
  "python3-protobuf",
]);

/** A line that chat.py prints: a frame of Subscribe, or the answer to a command. */
export interface PythonLine {
  token?: string;
  started?: { sessionId: string; resumed?: boolean; cursor: string };
  event?: { cursor?: string; messageCreated?: { message: PythonMessage }; friendChanged?: { userId: string } };
  caughtUp?: { cursor: string };
  heartbeat?: { cursor: string };
  goodbye?: { reason: string; reconnect?: boolean };
  friend?: { userId: string };
  message?: PythonMessage;
  deduplicated?: boolean;
  messages?: PythonMessage[];
  error?: string;
}

interface PythonMessage {
  messageId: string;
  seq: number;
  content: { text: { text: string } };
}

/** Makes the Python code of the API out of what the server says of itself, by protoc alone, and gives its folder. */
export async function generatePython(url: string): Promise<string> {
  const folder = temporaryFolder();
  const descriptor = join(folder, "descriptor.binpb");
  writeFileSync(descriptor, Buffer.from(await (await fetch(`${url}/descriptor.binpb`)).arrayBuffer()));
  const files = (await output("bash", ["-c", "cd proto && ls parley/v1/*.proto"])).trim().split("\n");
  const plugin = "--plugin=protoc-gen-grpc_python=/usr/bin/grpc_python_plugin";
  const out = [`--python_out=${folder}`, `--grpc_python_out=${folder}`];
  await output("/usr/bin/protoc", [
    `--descriptor_set_in=${descriptor}`,
    ...out,
    plugin,
    ...files,
    "buf/validate/validate.proto",
  ]);
  return folder;
}

/** Starts chat.py with the code generated in `folder`. */
export function startPython(
  folder: string,
  server: Address,
  userId: string,
  options: { cursor?: string; token?: string; url?: string; atEnd?: StartOptions["atEnd"] } = {},
): Program {
  const target = new URL(options.url ?? server.url).host;
  const script = join(root, "test/conformance/python/chat.py");
  const resume = options.cursor === undefined ? [] : [options.cursor, ...(options.token ? [options.token] : [])];
  const env = { PYTHONPATH: folder, PYTHONDONTWRITEBYTECODE: "1" };
  const { atEnd } = options;
  return start(python, [script, target, server.appId, server.clientKey, userId, ...resume], {
    env,
    ...(atEnd && { atEnd }),
  });
}

export const isLive = (lines: PythonLine[]) => lines.some(({ caughtUp }) => caughtUp !== undefined);

/** The texts of the messages that came by Subscribe, in their order. */
export const textsOf = (lines: PythonLine[]) =>
  lines.flatMap(({ event }) => event?.messageCreated?.message.content.text.text ?? []);
