import { SendMessageRequestSchema } from "@parley/proto/parley/v1/message_service_pb.js";
import { expect, test } from "vitest";
import { decodeRequest } from "./decode-request.js";

const decode = (json: string) => decodeRequest(SendMessageRequestSchema, "json", Buffer.from(json));
const filler = " ".repeat(8 * 1024);
/** A field nobody knows, whose value makes so many levels with the request itself. */
const levels = (count: number) => `{"x":${"[".repeat(count - 1)}${"]".repeat(count - 1)}}${filler}`;

test("what is nested 128 levels deep is read, and one level more is refused", () => {
  expect(() => decode(levels(128))).not.toThrow();
  expect(() => decode(levels(129))).toThrow("the request cannot be parsed");
});

test("brackets in texts are no levels, whatever is escaped there", () => {
  const text = `${"[{".repeat(200)}\\"${"[".repeat(200)}\\\\`;
  const request = decode(`{"remark":"${text}"}${filler}`);
  expect(request).toMatchObject({ remark: JSON.parse(`"${text}"`) });
});
