import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { expect, it } from "vitest";
import { fieldHead, lengthDelimited } from "./wire.js";

const LENGTHS = [0, 1, 127, 128, 300, 16_383, 16_384, 2_097_151, 2_097_152];

it("a field's head is as protobuf writes it, at every length of its own", () => {
  for (const no of [1, 2, 15, 16, 18, 2_047, 2_048])
    for (const length of LENGTHS) {
      const expected = new BinaryWriter().tag(no, WireType.LengthDelimited).uint32(length).finish();
      expect(fieldHead(no, length).equals(expected)).toBe(true);
    }
});

it("bytes with their length are as protobuf writes them", () => {
  for (const length of LENGTHS) {
    const bytes = new Uint8Array(length).fill(7);
    expect(lengthDelimited(bytes).equals(new BinaryWriter().bytes(bytes).finish())).toBe(true);
  }
});
