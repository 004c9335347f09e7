import { WordFilterAction } from "@parley/proto/parley/v1/word_filter_pb.js";
import { backend } from "../support/index.js";
import { otherApp } from "../support/messaging.js";
import { caseList, repeated } from "./mutations-case.js";

const { cases, silent } = caseList();

/** The word filter, in an app of its own: what it does to texts is not to be felt by the other cases. */
export const MODERATION = cases;

const admin = async (server: Parameters<typeof otherApp>[0]) => backend(await otherApp(server)).admin;

silent("AdminService.SetWordFilter", async ({ server }) => {
  const { setWordFilter } = await admin(server);
  return () => setWordFilter({ enabled: true, action: WordFilterAction.REJECT, words: ["word"] });
});
silent("AdminService.AddFilterWords", async ({ server }) => {
  const { addFilterWords } = await admin(server);
  return () => addFilterWords({ words: ["word"] });
});
silent(
  "AdminService.AddFilterWords",
  async ({ server }) => {
    const { addFilterWords } = await admin(server);
    return await repeated(() => addFilterWords({ words: ["word"] }));
  },
  "a repeat",
);
silent("AdminService.RemoveFilterWords", async ({ server }) => {
  const { removeFilterWords } = await admin(server);
  return () => removeFilterWords({ words: ["word"] });
});
