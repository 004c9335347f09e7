import { expect, test } from "vitest";
import { localUrl } from "./listen.js";

test.each([
  ["127.0.0.1", "http://127.0.0.1:7777"],
  ["0.0.0.0", "http://127.0.0.1:7777"],
  ["", "http://127.0.0.1:7777"],
  ["::", "http://[::1]:7777"],
  ["fe80::1", "http://[fe80::1]:7777"],
  ["localhost", "http://localhost:7777"],
])("a server on %j is called at %s", (host, url) => expect(localUrl("http", host, 7777)).toBe(url));
