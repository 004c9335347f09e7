import { generateKeyPairSync } from "node:crypto";
import { PushProvider } from "@parley/proto/parley/v1/installation_pb.js";
import { newPhone } from "../support/push.js";
import { caseList, type World } from "./mutations-case.js";

const { cases, silent } = caseList();

/** What the app pushes with: no client shows anything of it. */
export const PUSH_CREDENTIALS = cases;

const keyP8 = generateKeyPairSync("ec", { namedCurve: "prime256v1" })
  .privateKey.export({ type: "pkcs8", format: "pem" })
  .toString();

const set = ({ backend }: World) => {
  const value = { keyP8, keyId: "ABCDE12345", teamId: "ABCDE12345", topic: "com.example.chat" };
  return backend.admin.setPushCredential({ credential: { case: "apnsToken", value } });
};

silent("AdminService.SetPushCredential", async (world) => () => set(world));
silent("AdminService.RemovePushCredential", async (world) => {
  await set(world);
  return () => world.backend.admin.removePushCredential({ provider: PushProvider.APNS });
});
silent("AdminService.SendTestPush", async ({ server, backend, tom }) => {
  await newPhone(server, tom.userId);
  return () => backend.admin.sendTestPush({ target: { case: "userId", value: tom.userId } });
});
