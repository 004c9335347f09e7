import { CredentialKind } from "@parley/proto/parley/v1/linked_credential_pb.js";
import { anonymous, type TestUser } from "../support/index.js";
import { newDevice, subject } from "../support/messaging.js";
import { newPhoneNumber, printedCode, requestCode } from "../support/sms.js";
import { caseList } from "./mutations-case.js";

const { cases, silent } = caseList();

/** Ways to log in. What a guest's devices hear when it becomes an ordinary user is looked at in integration/credentials. */
export const LOGINS = cases;

const withPassword = (user: TestUser, username = subject("name")) =>
  user.rpc.auth.linkCredential({ credential: { case: "password", value: { username, password: "old" } } });

silent("AuthService.RequestSmsCode", async ({ server }) => async () => {
  const phoneNumber = newPhoneNumber();
  await requestCode(server, phoneNumber);
  const { appId, clientKey } = server;
  const code = printedCode(server, phoneNumber);
  await anonymous(server).auth.login({ appId, clientKey, credential: { case: "sms", value: { phoneNumber, code } } });
});
silent(
  "AuthService.LinkCredential",
  async ({ tom }) =>
    () =>
      withPassword(tom),
);
silent("AuthService.UnlinkCredential", async ({ server, tom }) => {
  const phoneNumber = newPhoneNumber();
  await requestCode(server, phoneNumber);
  await withPassword(tom);
  const value = { phoneNumber, code: printedCode(server, phoneNumber) };
  await tom.rpc.auth.linkCredential({ credential: { case: "sms", value } });
  return () => tom.rpc.auth.unlinkCredential({ kind: CredentialKind.PASSWORD });
});
silent(
  "AuthService.ChangePassword",
  async ({ server, tom }) => {
    await withPassword(tom);
    await newDevice(server, tom);
    return () => tom.rpc.auth.changePassword({ oldPassword: "old", newPassword: "new" });
  },
  "tells this device nothing",
);
silent(
  "AdminService.ResetPassword",
  async ({ backend, jerry }) => {
    await withPassword(jerry);
    return () => backend.admin.resetPassword({ userId: jerry.userId, newPassword: "new" });
  },
  "of one user tells others nothing",
);
silent(
  "AdminService.SetSmsGateway",
  async ({ backend }) =>
    () =>
      backend.admin.setSmsGateway({ gateway: { case: "console", value: {} } }),
);
silent(
  "AdminService.SetOauthProviders",
  async ({ backend }) =>
    () =>
      backend.admin.setOauthProviders({ providers: [] }),
);
