import { create } from "@bufbuild/protobuf";
import { PasswordCredentialSchema } from "@parley/proto/parley/v1/auth_service_pb.js";
import { expect, test } from "vitest";
import { tempStore } from "../../../../test/support/temp-store.js";
import type { Tx } from "../../store/committer.js";
import { deleteCredential, insertCredential, setCredentialSecret } from "../../store/credentials.js";
import { ErrorReason } from "../errors.js";
import { checkPassword } from "./password.js";

/** An account whose login has passed the slow comparison and not yet begun its transaction. */
async function underWay() {
  const temp = await tempStore();
  const run = <T>(work: (tx: Tx) => Promise<T>) => temp.committer.run("a", work);
  await run((tx) => insertCredential(tx, { kind: "password", name: "tom", user_id: "u1", secret: "old" }));
  const passwords = { hash: async () => "", matches: async (_: string, stored?: string) => stored !== undefined };
  const credential = create(PasswordCredentialSchema, { username: "tom", password: "right" });
  const admission = await checkPassword({ read: temp.store.read, passwords }, { appId: "a" }, credential);
  return { run, admit: () => run(admission), [Symbol.asyncDispose]: () => temp[Symbol.asyncDispose]() };
}

const wrong = expect.objectContaining({ reason: ErrorReason.WRONG_CREDENTIAL });

test("a password that is as it was lets its user in", async () => {
  await using world = await underWay();
  expect(await world.admit()).toEqual({ userId: "u1", created: false });
});

test("one that was changed or taken away while its hash was compared lets nobody in", async () => {
  await using changed = await underWay();
  await changed.run((tx) => setCredentialSecret(tx, "password", "tom", "new"));
  expect(await changed.admit()).toEqual(wrong);
  await using gone = await underWay();
  await gone.run((tx) => deleteCredential(tx, "password", "tom"));
  expect(await gone.admit()).toEqual(wrong);
});

test("a name that another user has taken since lets nobody in as the one before", async () => {
  await using world = await underWay();
  await world.run(async (tx) => {
    await deleteCredential(tx, "password", "tom");
    await insertCredential(tx, { kind: "password", name: "tom", user_id: "u2", secret: "another" });
  });
  expect(await world.admit()).toEqual(wrong);
});
