import { create } from "@bufbuild/protobuf";
import { CreateGroupRequestSchema } from "@parley/proto/parley/v1/group_service_pb.js";
import { CreateRoomRequestSchema } from "@parley/proto/parley/v1/room_service_pb.js";
import { expect, test } from "vitest";
import { hashOf } from "./answer-once.js";

const group = (attributes: object, requestId = "a") =>
  hashOf(create(CreateGroupRequestSchema, { name: "x", requestId, attributes: { ...attributes } }));

test("the mark of a request is the same whatever its key and the order of its free data", () => {
  const mark = group({ a: 1, b: [{ c: 2, d: 3 }] });
  expect(mark).toHaveLength(16);
  expect(group({ b: [{ d: 3, c: 2 }], a: 1 }, "b")).toEqual(mark);
});

test("the mark tells requests apart: by value, by the order of lists, by kind", () => {
  const mark = group({});
  expect(group({ a: 1 })).not.toEqual(mark);
  expect(group({ a: [1, 2] })).not.toEqual(group({ a: [2, 1] }));
  expect(hashOf(create(CreateRoomRequestSchema, { name: "x" }))).not.toEqual(mark);
});
