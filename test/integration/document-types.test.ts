import { expect, test } from "vitest";
import { blocksOf, readDocument } from "../support/document.js";
import { typeErrors } from "../support/snippets.js";

/** What blocks take as given; the pages say so, and the tests that run them give it. */
const GIVEN = `
type Client = import("@parley/client").Client;
declare const client: Client, jerry: Client, spike: Client;
declare const baseUrl: string, appId: string, clientKey: string, serviceKey: string, installationId: string;
declare const file: File;
declare const groupId: string, roomId: string, url: string;
declare const phoneNumber: string, openId: string, accessToken: string, file: Blob;
declare const deviceToken: string, serviceAccountJson: string, messageId: string, p12: Uint8Array<ArrayBuffer>, password: string;
declare function askForCode(): Promise<string>;
declare function show(value: unknown): void;
declare function mark(id: string, status: string): void;
declare function askMyBackend(): Promise<string>;
`;

test("the compiler takes every block of TypeScript in the documents, as strictly as the tree itself", () => {
  const blocks = ["README.md", "docs/sdk.md", "docs/from-maxim.md"].flatMap((path) =>
    blocksOf(readDocument(path)).filter(({ language, notYet }) => language === "ts" && !notYet),
  );
  expect(blocks.length).toBeGreaterThan(40);
  const wrong = { name: "wrong", language: "ts", notYet: false, code: "show(client.currentUser.userId);" };
  expect(typeErrors([...blocks, wrong], GIVEN)).toEqual(["wrong: 'client.currentUser' is possibly 'undefined'."]);
});
