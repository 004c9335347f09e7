import { createReadStream, statSync } from "node:fs";
import { type DescMessage, fromJsonString, type MessageShape } from "@bufbuild/protobuf";
import { CommandFailure } from "./failure.js";

/** One line of a file of JSON lines, read as a message of the contract. */
export interface ReadLine<T> {
  /** 1 for the first line of the file. */
  number: number;
  value: T;
  /** The size of its text. */
  bytes: number;
  /** How much of the file is read with it. */
  share: number;
}

/** Reads a file of JSON lines, each a message of one kind; empty lines are passed over. It holds one line at a time. Throws for one that cannot be read, by its number. */
export async function* readLines<D extends DescMessage>(
  file: string,
  schema: D,
): AsyncGenerator<ReadLine<MessageShape<D>>> {
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  if (size === undefined) throw new CommandFailure(`${file} is not there`);
  let [number, read] = [0, 0];
  for await (const line of textLines(file)) {
    number += 1;
    const bytes = Buffer.byteLength(line);
    read += bytes + 1;
    if (line.trim() === "") continue;
    yield { number, value: parse(schema, line, `${file}:${number}`), bytes, share: Math.min(1, read / size) };
  }
}

async function* textLines(file: string): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of createReadStream(file, "utf8")) {
    const lines = (rest + String(chunk)).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}

function parse<D extends DescMessage>(schema: D, line: string, where: string): MessageShape<D> {
  try {
    return fromJsonString(schema, line);
  } catch (error) {
    throw new CommandFailure(`${where} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}
