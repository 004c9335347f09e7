import { eventually } from "../support/index.js";
import { say, subject, toUser } from "../support/messaging.js";
import { newPhone } from "../support/push.js";
import { caseList, repeated } from "./mutations-case.js";

const { cases, silent } = caseList();

/** Installations and the words of pushes: no client shows anything of them. */
export const INSTALLATIONS = cases;

silent(
  "InstallationService.RegisterInstallation",
  async ({ tom }) =>
    () =>
      tom.rpc.installation.registerInstallation({ installation: { installationId: subject("phone") } }),
);
silent("InstallationService.RemoveInstallation", async ({ server, tom }) => {
  const { installationId } = await newPhone(server, tom.userId);
  return () => tom.rpc.installation.removeInstallation({ installationId });
});
silent(
  "InstallationService.ReportPushOpened",
  async ({ server, tom, jerry }) => {
    const phone = await newPhone(server, tom.userId);
    await phone.rpc.message.pauseSession({});
    const push = { case: "messageId" as const, value: (await say(jerry, toUser(tom.userId), "wake up")).messageId };
    const { installationId } = phone;
    return await eventually(() => repeated(() => phone.rpc.installation.reportPushOpened({ push, installationId })));
  },
  "a repeat",
);
silent(
  "AdminService.SetPushTemplates",
  async ({ backend }) =>
    () =>
      backend.admin.setPushTemplates({ templates: { templates: [{ locale: "en", direct: { body: "new: {text}" } }] } }),
);
