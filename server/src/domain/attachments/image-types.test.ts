import { expect, test } from "vitest";
import { declaredImage, imageTypeOf } from "./image-types.js";

const bytes = (text: string) => Buffer.from(text, "latin1");

test.each([
  ["\x89PNG\r\n\x1a\n", "image/png"],
  ["\xff\xd8\xff\xe0", "image/jpeg"],
  ["GIF89a", "image/gif"],
  ["RIFF\x10\0\0\0WEBPVP8 ", "image/webp"],
  ["\0\0\0\x1cftypavif", "image/avif"],
  ["\0\0\0\x18ftypheic", "image/heic"],
  ["BM6\0", "image/bmp"],
  ["<svg xmlns=", undefined],
  ["<!doctype html>", undefined],
  ["\0\0\0\x18ftypmp42", undefined],
  ["RIFF\x10\0\0\0WAVEfmt ", undefined],
  ["\x89PN", undefined],
  ["", undefined],
])("%j begins as %s", (head, type) => expect(imageTypeOf(bytes(head))).toBe(type));

test.each([
  ["image/png", "image/png"],
  ["IMAGE/JPG", "image/jpeg"],
  ["image/heif", "image/heic"],
  ["image/webp; x=y", "image/webp"],
  ["image/svg+xml", undefined],
  ["image/x-png", undefined],
  ["text/html", undefined],
])("%s declares %s", (mimeType, type) => expect(declaredImage(mimeType)).toBe(type));
