import http from "node:http";
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { Answer } from "../conformance/wire.js";

/** The answers that should not be, those that are alike as one line. */
export class Findings {
  #calls = new Map<string, string[]>();

  add(call: string, { code, reason, field, message }: Answer): void {
    const what = `${code}, ${reason === undefined ? "no detail" : `${reason} ${field}`}: ${message.replaceAll(/parley\.v1\.\S+/g, "…")}`;
    this.#calls.set(what, [...(this.#calls.get(what) ?? []), call]);
  }

  lines(): string[] {
    return [...this.#calls].map(([what, calls]) => `${what} (${calls.length} times, first by ${calls[0]})`);
  }
}

/** Posts over a given agent and gives the status; a request that is not answered fails. */
export function postWith(agent: http.Agent, url: string, type: string, body: Buffer): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": type, "content-length": body.length };
    const request = http.request(url, { agent, method: "POST", headers, timeout: 5_000 }, (response) => {
      response.resume().on("end", () => resolve(response.statusCode));
    });
    request.on("timeout", () => request.destroy(new Error("no answer in time"))).on("error", reject);
    request.end(body);
  });
}

export function lengthDelimited(field: number, bytes: Uint8Array): Uint8Array {
  return new BinaryWriter().tag(field, WireType.LengthDelimited).bytes(bytes).finish();
}

export function stringFieldOf(message: DescMessage): DescField | undefined {
  return message.fields.find((field) => field.fieldKind === "scalar" && field.scalar === ScalarType.STRING);
}

/** A message in which the first string there is, at any depth, is not UTF-8. */
export function withBadText(message: DescMessage, depth = 0): Uint8Array | undefined {
  const text = stringFieldOf(message);
  if (text !== undefined) return lengthDelimited(text.number, Uint8Array.of(0x61, 0xff, 0xfe));
  for (const field of message.fields) {
    if (field.fieldKind !== "message" || depth > 3) continue;
    const inner = withBadText(field.message, depth + 1);
    if (inner !== undefined) return lengthDelimited(field.number, inner);
  }
  return undefined;
}

/** Every copy of a request in which one string has a NUL, with the path of the field: free data counts as one field. */
export function poison(value: unknown, path = ""): [path: string, poisoned: unknown][] {
  if (typeof value === "string") return [[path, `${value}\0`]];
  if (value === null || typeof value !== "object") return [];
  const inData = /(^|\.)(attributes|data)$/.test(path);
  if (Array.isArray(value))
    return value.flatMap((item, at) =>
      poison(item, inData ? path : `${path}[${at}]`).map(([where, copy]): [string, unknown] => [
        where,
        value.with(at, copy),
      ]),
    );
  const inside = Object.entries(value).flatMap(([name, item]) => {
    const below = inData ? path : path === "" ? name : `${path}.${name}`;
    return poison(item, below).map(([where, copy]): [string, unknown] => [where, { ...value, [name]: copy }]);
  });
  return inData ? [...inside, [path, { ...value, "key\0": 1 }]] : inside;
}
